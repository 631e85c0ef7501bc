"""What is published when: the prices behind a clock."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from app.market.security import SecurityKind, Venue
from app.sandbox.rows import DayRow, PriceSource

TAIPEI = ZoneInfo("Asia/Taipei")
PUBLISHED = time(14, 0)
"""Daily tables appear about then."""

serve_previous: ContextVar[bool] = ContextVar("serve_previous", default=False)
"""Set while a reply shall be the previous session's (the fault ``wrong-date``)."""

Clock = Callable[[], datetime]


def wall_clock() -> datetime:
    """The time in Taipei."""
    return datetime.now(TAIPEI)


class Exchange:
    """Both venues' published tables at the clock's time."""

    def __init__(self, source: PriceSource, *, clock: Clock = wall_clock) -> None:
        self.source = source
        self.clock = clock
        # A batch of quotes and a table's two readers ask for the same session again and again.
        self._by_symbol = lru_cache(maxsize=4)(self._read)

    def _read(self, session: date) -> Mapping[str, DayRow]:
        return {row.symbol: row for row in self.source.day(session)}

    def now(self) -> datetime:
        """The clock's time, in Taipei."""
        return self.clock().astimezone(TAIPEI)

    def published_until(self) -> date:
        """The last day of which the daily tables may show something."""
        now = self.now()
        return now.date() if now.time() >= PUBLISHED else now.date() - timedelta(days=1)

    def latest(self) -> date | None:
        """The newest published session, or the one before it under the fault ``wrong-date``."""
        last = self.last_session(self.published_until())
        return self.last_session(last - timedelta(days=1)) if last and serve_previous.get() else last

    def last_session(self, day: date) -> date | None:
        """The last session on or before *day*."""
        for span in (15, 400, 9000):
            sessions = self.source.sessions(day - timedelta(days=span), day)
            if sessions:
                return sessions[-1]
        return None

    def asked_for(self, day: date) -> date:
        """The day that a reply is for: the one asked for, unless the fault ``wrong-date`` says otherwise."""
        if not serve_previous.get():
            return day
        return self.last_session(day - timedelta(days=1)) or day - timedelta(days=1)

    def is_session(self, day: date) -> bool:
        """Whether the market is open on *day*."""
        return bool(self.source.sessions(day, day))

    def quotes(self, session: date) -> Mapping[str, DayRow]:
        """The rows of *session* by symbol, published or not."""
        return self._by_symbol(session)

    def table(self, session: date | None, venue: Venue, *, warrants: bool) -> Sequence[DayRow]:
        """A venue's published rows of *session*; empty on a closed day and before publication."""
        if session is None or session > self.published_until() or not self.is_session(session):
            return ()
        return [
            row
            for row in self.quotes(session).values()
            if row.listed.security.venue is venue and (warrants or row.listed.security.kind is not SecurityKind.WARRANT)
        ]

    def month(self, symbol: str, venue: Venue, day: date) -> Sequence[DayRow]:
        """One security's published rows of *day*'s month; empty for another venue's security."""
        first = day.replace(day=1)
        last = (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
        rows = self.source.history(symbol, first, min(last, self.published_until()))
        return [row for row in rows if row.listed.security.venue is venue]
