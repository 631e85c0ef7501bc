"""When schedules fire: crontabs in Taipei's time, on trading days, in session hours, or relative to open and close.

A timing is one of Celery's schedule objects; ``app.ops.timings`` reads and writes them as text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from typing import Any, Literal, TypeAlias

from celery.schedules import BaseSchedule, crontab, schedstate, schedule

from app.errors import ConfigurationError
from app.market.calendar import LAST_DAY, SESSION_CLOSE, SESSION_OPEN, TAIPEI, TradingCalendar

Timing: TypeAlias = BaseSchedule

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HORIZON = 9 * 366
"""Days after which a crontab that has not matched never will: 29 February may be eight years away."""

_CALENDAR_ENDS = f"The trading calendar ends with {LAST_DAY}; update QuantLab."


class SessionTiming(BaseSchedule):
    """A timing that asks the trading calendar."""

    calendar: Callable[[], TradingCalendar] = TradingCalendar
    """Where sessions come from when the caller has none; called each time, so that a closure set today counts."""

    def instants(self, after: datetime, calendar: TradingCalendar) -> Iterator[datetime]:
        """The instants (aware, Taipei) later than *after* at which it fires, in order."""
        raise NotImplementedError

    def next_fire(self, after: datetime) -> datetime:
        """The first instant (aware, Taipei) later than *after*. Raises ConfigurationError where the calendar ends."""
        return next_fire(self, after=after)

    def is_due(self, last_run_at: datetime) -> tuple[bool, float]:
        """Celery's question: whether to fire now, and in how many seconds to ask again."""
        last = last_run_at if last_run_at.tzinfo else last_run_at.replace(tzinfo=UTC)
        now = self.now()
        now = now if now.tzinfo else now.replace(tzinfo=UTC)
        due, upcoming = self.next_fire(last), self.next_fire(now)
        answer: tuple[bool, float] = schedstate(is_due=due <= now, next=max((upcoming - now).total_seconds(), 0.0))
        return answer


class SessionCrontab(SessionTiming, crontab):
    """A crontab that fires only while the market trades: on sessions, from 09:00 to 13:30 Taipei, both included.

    ``crontab(hour="9-13", minute="*/15")`` alone would fire until 13:45, on holidays and typhoon days too.
    """

    def instants(self, after: datetime, calendar: TradingCalendar) -> Iterator[datetime]:
        """Those of the crontab at which the market trades."""
        instants = _crontab_instants(self, after, only=calendar.is_session)
        return (at for at in instants if SESSION_OPEN <= at.time() <= SESSION_CLOSE)


class SessionDayCrontab(SessionTiming, crontab):
    """A crontab that fires on trading days only, at whatever hour: ``SessionDayCrontab(hour=21, minute=0)``."""

    def instants(self, after: datetime, calendar: TradingCalendar) -> Iterator[datetime]:
        """Those of the crontab on sessions."""
        return _crontab_instants(self, after, only=calendar.is_session)


class SessionOffset(SessionTiming):
    """So long after (before, when negative) the open or the close of each session: ``SessionOffset("close", 90)``."""

    def __init__(self, anchor: Literal["open", "close"], minutes: int = 0, **options: Any) -> None:
        super().__init__(**options)
        if anchor not in ("open", "close") or not -24 * 60 <= minutes <= 24 * 60:
            raise ConfigurationError(
                f"A session has an open and a close, and offsets to 24 hours, not {anchor!r} {minutes:+} min."
            )
        self.anchor, self.minutes = anchor, minutes

    def instants(self, after: datetime, calendar: TradingCalendar) -> Iterator[datetime]:
        """One a session; with a long offset on another day than the session's."""
        anchor = SESSION_OPEN if self.anchor == "open" else SESSION_CLOSE
        offset = timedelta(minutes=self.minutes)
        day = (after.astimezone(TAIPEI) - offset).date()
        while day <= LAST_DAY:
            at = datetime.combine(day, anchor, TAIPEI) + offset
            if at > after and calendar.is_session(day):
                yield at
            day += timedelta(days=1)
        raise ConfigurationError(_CALENDAR_ENDS)

    def remaining_estimate(self, last_run_at: datetime) -> timedelta:
        """Celery's other question; negative when it is overdue."""
        last = last_run_at if last_run_at.tzinfo else last_run_at.replace(tzinfo=UTC)
        left: timedelta = self.next_fire(last) - self.now()
        return left

    def __repr__(self) -> str:
        return f"<session: {self.anchor} {self.minutes:+} min>"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SessionOffset):
            return False
        return (self.anchor, self.minutes) == (other.anchor, other.minutes)

    def __hash__(self) -> int:
        return hash((self.anchor, self.minutes))

    def __reduce__(self) -> tuple[Any, ...]:
        return SessionOffset, (self.anchor, self.minutes)


def instants(timing: Timing, *, after: datetime, calendar: TradingCalendar | None = None) -> Iterator[datetime]:
    """The instants (aware, Taipei) later than *after* at which *timing* fires, in order, without end.

    Raises:
        ConfigurationError: of such a timing we do not know when it fires, or the trading calendar ends.
    """
    if isinstance(timing, SessionTiming):
        return timing.instants(after, calendar or type(timing).calendar())
    if type(timing) is crontab:
        return _crontab_instants(timing, after)
    if type(timing) is schedule and timing.run_every >= timedelta(seconds=1):
        return _multiples(timing.run_every, after)
    raise ConfigurationError(
        f"{timing!r} cannot be used: schedules are crontabs, intervals of a second or more, and those of "
        "app/ops/schedules.py, whose fire times can be told in advance."
    )


def next_fire(timing: Timing, *, after: datetime, calendar: TradingCalendar | None = None) -> datetime:
    """The first instant (aware, Taipei) later than *after* at which *timing* fires; raises as ``instants`` does."""
    return next(instants(timing, after=after, calendar=calendar))


def fires(timing: Timing, *, after: datetime, count: int, calendar: TradingCalendar | None = None) -> list[datetime]:
    """The next *count* instants (aware, Taipei) later than *after*; raises as ``instants`` does."""
    return list(islice(instants(timing, after=after, calendar=calendar), count))


def _multiples(interval: timedelta, after: datetime) -> Iterator[datetime]:
    """Multiples of *interval* since 1970, so that every scheduler means the same instants."""
    at = _EPOCH + ((after - _EPOCH) // interval) * interval
    while True:
        at += interval
        yield at.astimezone(TAIPEI)


def _crontab_instants(
    cron: crontab, after: datetime, *, only: Callable[[date], bool] | None = None
) -> Iterator[datetime]:
    """Those of *cron* read in Taipei's time, on days for which *only* is true.

    Not by Celery's ``remaining_delta``, which knows one instant only, in a few hundred microseconds.
    """
    local = after.astimezone(TAIPEI)
    times = [time(hour, minute) for hour in sorted(cron.hour) for minute in sorted(cron.minute)]
    day, missed = local.date(), 0
    while missed <= _HORIZON:
        if only is not None and day > LAST_DAY:
            raise ConfigurationError(_CALENDAR_ENDS)
        missed += 1
        if _is_day_of(cron, day) and (only is None or only(day)):
            missed = 0
            for moment in times:
                at = datetime.combine(day, moment, TAIPEI)
                if at > local:
                    yield at
        day += timedelta(days=1)
    raise ConfigurationError(f"{cron!r} never fires: there is no such day.")


def _is_day_of(cron: crontab, day: date) -> bool:
    return day.month in cron.month_of_year and day.day in cron.day_of_month and day.isoweekday() % 7 in cron.day_of_week
