"""Is a day complete? What a strategy asks that starts after the data."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from app.market.calendar import TradingCalendar
from app.market.gaps import FEWEST_EXPECTED
from app.market.security import BAR_VENUES, Venue
from app.services.context import Context
from app.store import sessions
from app.store.coverage import BARS, Covered, read_coverage
from app.store.engine import Connection, transaction


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether *session* of *dataset* is complete, in a sentence; ``shares`` is the part accounted for by venue."""

    dataset: str
    session: date
    ready: bool
    reason: str
    shares: dict[Venue, float | None]
    """None: nothing of that venue is held."""
    ready_at: datetime | None = None
    """When the last of it was written; None while it is not ready."""


def look(context: Context, session: date, *, dataset: str = BARS) -> Readiness:
    """How it stands at this moment; asks the store, never an exchange."""
    with transaction(context.engine) as connection:
        return readiness(connection, session, dataset=dataset, calendar=sessions.trading_calendar(connection))


def readiness(connection: Connection, session: date, *, dataset: str, calendar: TradingCalendar) -> Readiness:
    """A day without a session is ready: there is nothing to wait for."""
    if not calendar.is_session(session):
        return Readiness(dataset, session, True, f"{session} is no trading session.", {})
    covered = {
        one.venue: one for one in read_coverage(connection, start=session, end=session, dataset=dataset) if one.expected
    }
    shares = {venue: covered[venue].share if venue in covered else None for venue in BAR_VENUES}
    lacking = [
        f"nothing of {venue} is held" if share is None else f"{share:.1%} of {venue} is accounted for"
        for venue, share in shares.items()
        if share is None or share < FEWEST_EXPECTED
    ]
    if lacking:
        return Readiness(dataset, session, False, f"{dataset} of {session}: {', '.join(lacking)}.", shares)
    said = f"{dataset} of {session} is complete: {_in_words(covered)}."
    return Readiness(dataset, session, True, said, shares, max(one.recorded_at for one in covered.values()))


def _in_words(covered: dict[Venue, Covered]) -> str:
    return ", ".join(f"{covered[venue].held:,} bars of {venue}" for venue in BAR_VENUES)
