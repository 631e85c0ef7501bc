"""Is a day complete? What a strategy asks that starts after the data."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from app.errors import InvalidParameter
from app.market.calendar import FIRST_DAY, LAST_DAY, TradingCalendar
from app.market.gaps import FEWEST_EXPECTED
from app.market.security import BAR_VENUES, Venue
from app.services.context import Context
from app.sources import registry
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
    _refuse_unknown(session, dataset)
    with transaction(context.engine) as connection:
        return readiness(connection, session, dataset=dataset, calendar=sessions.trading_calendar(connection))


def _refuse_unknown(session: date, dataset: str) -> None:
    """Of what nobody can know nothing is ready, nor ever will be."""
    known = [BARS, *registry.figures()]
    if dataset not in known:
        raise InvalidParameter(f"There is no dataset {dataset!r} that could be ready; there are {', '.join(known)}.")
    if not FIRST_DAY <= session <= LAST_DAY:
        raise InvalidParameter(f"The calendar goes from {FIRST_DAY} to {LAST_DAY}; it knows nothing of {session}.")


def readiness(connection: Connection, session: date, *, dataset: str, calendar: TradingCalendar) -> Readiness:
    """A day without a session is ready: there is nothing to wait for."""
    if not calendar.is_session(session):
        return Readiness(dataset, session, True, f"{session} is no trading session.", {})
    covered = {
        one.venue: one for one in read_coverage(connection, start=session, end=session, dataset=dataset) if one.expected
    }
    standing = sessions.standing(connection, start=session, end=session)
    closed = {venue for venue in BAR_VENUES if standing[session, venue] is False}
    shares = {venue: covered[venue].share if venue in covered else None for venue in BAR_VENUES}
    lacks = [lack for venue in BAR_VENUES if venue not in closed and (lack := _lack(venue, covered.get(venue)))]
    if lacks:
        return Readiness(dataset, session, False, f"{dataset} of {session}: {', '.join(lacks)}.", shares)
    words = [f"{venue} was closed" if venue in closed else _in_words(covered[venue]) for venue in BAR_VENUES]
    ready_at = max((one.recorded_at for one in covered.values()), default=None)
    return Readiness(
        dataset, session, True, f"{dataset} of {session} is complete: {', '.join(words)}.", shares, ready_at
    )


def _lack(venue: Venue, covered: Covered | None) -> str | None:
    """What is not as it should be of a venue that was not closed: then it has rows, whatever else explains none."""
    if covered is not None and covered.share is not None and covered.share < FEWEST_EXPECTED:
        return f"{covered.share:.1%} of {venue} is accounted for"
    return None if covered is not None and covered.held else f"nothing of {venue} is held"


def _in_words(covered: Covered) -> str:
    return f"{covered.held:,} bars of {covered.venue}"
