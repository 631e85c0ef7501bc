"""When Taiwan's market is open: sessions, their hours, and what the library does not know.

The base is ``exchange_calendars`` XTAI; on top stand the days on which it is wrong (below, each with its source) and
the operator's and exchange's overrides, which the caller passes in.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo

TAIPEI = ZoneInfo("Asia/Taipei")
SESSION_OPEN = time(9, 0)
SESSION_CLOSE = time(13, 30)
PUBLISHED_AFTER = time(14, 0)
"""From about then the exchanges answer for the day's whole market (TWSE MI_INDEX ≈ 14:00)."""

CLOSURE_TRUSTED_FROM = time(18, 0)
"""On the day itself: "there is nothing" said earlier may also mean that it is not published yet."""

FIRST_DAY = date(2004, 2, 11)
"""TWSE's whole-market daily reply begins here; nothing older is asked for."""

LAST_DAY = date(2030, 12, 31)
"""Nothing is said of later days. Fixed, not "a year from now": the answer must not depend on when one asks."""

AD_HOC: Mapping[date, bool] = {
    # Typhoon Kong-rey closed Taipei; exchange_calendars 4.13.2 ends its list at 2024-10-03.
    date(2024, 10, 31): False,
    # Make-up-workday Saturdays with a full market, found in published whole-market files; XTAI has no Saturdays.
    # TWSE traded on such days until 2018.
    date(2013, 2, 23): True,
    date(2013, 9, 14): True,
    date(2014, 12, 27): True,
    date(2016, 1, 30): True,
    date(2016, 6, 4): True,
    date(2016, 9, 10): True,
    date(2017, 2, 18): True,
    date(2017, 6, 3): True,
    date(2017, 9, 30): True,
}


@cache
def _xtai_sessions() -> frozenset[date]:
    """Every session that the library expects from FIRST_DAY to LAST_DAY."""
    import exchange_calendars  # noqa: PLC0415 - a third of a second that a command without a date need not wait

    calendar = exchange_calendars.get_calendar("XTAI", start=FIRST_DAY.isoformat(), end=LAST_DAY.isoformat())
    return frozenset(stamp.date() for stamp in calendar.sessions)


class TradingCalendar:
    """Sessions of TWSE and TPEx (they share one calendar); *overrides* (day → open?) win over everything else."""

    def __init__(self, overrides: Mapping[date, bool] | None = None) -> None:
        self._overrides = {**AD_HOC, **(overrides or {})}

    def is_session(self, day: date) -> bool:
        """Whether the market trades on *day*."""
        known = self._overrides.get(day)
        return day in _xtai_sessions() if known is None else known

    def sessions_between(self, start: date, end: date) -> tuple[date, ...]:
        """The sessions from *start* to *end*, both included, in order."""
        span = (end - start).days + 1
        days = (start + timedelta(days=offset) for offset in range(span))
        return tuple(day for day in days if self.is_session(day))

    def last_session(self, at: datetime) -> date:
        """The newest session that has begun at the instant *at* (aware)."""
        local = at.astimezone(TAIPEI)
        day = local.date() if local.time() >= SESSION_OPEN else local.date() - timedelta(days=1)
        while not self.is_session(day):
            day -= timedelta(days=1)
        return day

    def in_session(self, at: datetime, *, late: timedelta = timedelta()) -> bool:
        """Whether the market trades at the instant *at* (aware), or did *late* ago; the close itself counts."""
        local = at.astimezone(TAIPEI)
        end = datetime.combine(local.date(), SESSION_CLOSE, TAIPEI) + late
        return self.is_session(local.date()) and local.time() >= SESSION_OPEN and local <= end

    def is_published(self, session: date, *, at: datetime) -> bool:
        """Whether the exchanges should have published *session*'s bars by the instant *at* (aware)."""
        return at >= datetime.combine(session, PUBLISHED_AFTER, TAIPEI)


def closure_trusted_at(day: date) -> datetime:
    """The instant from which an exchange's word that there was no session on *day* is believed."""
    return datetime.combine(day, CLOSURE_TRUSTED_FROM, TAIPEI)


_DEFAULT = TradingCalendar()
is_session = _DEFAULT.is_session
sessions_between = _DEFAULT.sessions_between
