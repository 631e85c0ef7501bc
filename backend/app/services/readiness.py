"""Is a day complete? What a strategy asks that starts after the data."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from app.errors import InvalidParameter, UnknownSymbol
from app.market.calendar import FIRST_DAY, LAST_DAY, TradingCalendar
from app.market.gaps import FEWEST_EXPECTED
from app.market.sayings import say
from app.market.security import BAR_VENUES, Venue
from app.services.context import Context
from app.sources import registry
from app.store import sessions
from app.store.coverage import BARS, REASONS, Covered, list_unheld, read_coverage
from app.store.engine import Connection, transaction
from app.store.quarantine_reads import Filter, list_rows
from app.store.securities import find_many

FEW = 12
"""Symbols that a sentence names."""
_EVERY = 5_000
_WORDS = {"no_trade": "without a trade", "halted": "halted", "venue_closed": "closed"}


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
    missing: tuple[str, ...] = ()
    """Symbols that should have a row and have none, of a day that is whole but for few; of bars only."""
    quarantined: tuple[str, ...] = ()
    """Symbols that have none because their row waits in quarantine."""


def look(
    context: Context, session: date, *, dataset: str = BARS, strict: bool = False, symbols: Sequence[str] = ()
) -> Readiness:
    """How it stands at this moment; asks the store, never an exchange.

    A day is ready when nearly all of it is held or explained. *strict*: nothing may be missing or wait in quarantine.
    With *symbols* it is about the daily bars of those only.

    Raises:
        UnknownSymbol: no list holds one of them.
        InvalidParameter: it is of no venue with whole markets, or they are asked of another dataset.
    """
    _refuse_unknown(session, dataset)
    with transaction(context.engine) as connection:
        calendar = sessions.trading_calendar(connection)
        if symbols:
            return _of_symbols(connection, session, dataset=dataset, symbols=symbols, calendar=calendar)
        return readiness(connection, session, dataset=dataset, calendar=calendar, strict=strict)


def _refuse_unknown(session: date, dataset: str) -> None:
    """Of what nobody can know nothing is ready, nor ever will be."""
    known = [BARS, *registry.figures()]
    if dataset not in known:
        raise InvalidParameter(f"There is no dataset {dataset!r} that could be ready; there are {', '.join(known)}.")
    if not FIRST_DAY <= session <= LAST_DAY:
        raise InvalidParameter(f"The calendar goes from {FIRST_DAY} to {LAST_DAY}; it knows nothing of {session}.")


def readiness(
    connection: Connection, session: date, *, dataset: str, calendar: TradingCalendar, strict: bool = False
) -> Readiness:
    """A day without a session is ready: there is nothing to wait for."""
    if not calendar.is_session(session):
        return Readiness(dataset, session, True, say("no_session", day=session), {})
    covered = {
        one.venue: one for one in read_coverage(connection, start=session, end=session, dataset=dataset) if one.expected
    }
    standing = sessions.standing(connection, start=session, end=session)
    closed = {venue for venue in BAR_VENUES if standing[session, venue] is False}
    shares = {venue: covered[venue].share if venue in covered else None for venue in BAR_VENUES}
    lacks = [lack for venue in BAR_VENUES if venue not in closed and (lack := _lack(venue, covered.get(venue)))]
    if lacks:
        reason = say("not_ready", dataset=dataset, day=session, lacks="; ".join(lacks))
        return Readiness(dataset, session, False, reason, shares)
    missing, quarantined = _unheld(connection, covered.values(), dataset=dataset, session=session)
    but = _named({"missing": missing, "in_quarantine": quarantined})
    if strict and but:
        reason = say("not_whole", dataset=dataset, day=session, lacks=but)
        return Readiness(dataset, session, False, reason, shares, None, missing, quarantined)
    held = "; ".join(
        say("was_closed", venue=venue) if venue in closed else _in_words(covered[venue]) for venue in BAR_VENUES
    )
    ready_at = max((one.recorded_at for one in covered.values()), default=None)
    reason = say("complete_but" if but else "complete", dataset=dataset, day=session, lacks=but, held=held)
    return Readiness(dataset, session, True, reason, shares, ready_at, missing, quarantined)


def _of_symbols(
    connection: Connection, session: date, *, dataset: str, symbols: Sequence[str], calendar: TradingCalendar
) -> Readiness:
    if dataset != BARS:
        raise InvalidParameter(f"Only of {BARS} can it be asked whether some symbols are there.")
    held = find_many(connection, symbols)
    if unknown := [symbol for symbol in symbols if symbol not in held]:
        raise UnknownSymbol(f"No securities list holds {unknown[0]!r}. If it is new: quantlab sync securities")
    if elsewhere := [one for one in held.values() if one.venue not in BAR_VENUES]:
        raise InvalidParameter(f"{elsewhere[0].venue}, where {elsewhere[0].symbol} trades, publishes no daily bars.")
    if not calendar.is_session(session):
        return Readiness(dataset, session, True, say("no_session", day=session), {})
    covered = {one.venue: one for one in read_coverage(connection, start=session, end=session, dataset=dataset)}
    venues = [venue for venue in BAR_VENUES if any(one.venue is venue for one in held.values())]
    states = ("held", "missing", "quarantined", *REASONS)
    stands = {
        cell.symbol: cell.state
        for venue in venues
        for cell in list_unheld(connection, venue, [session], states=states, limit=_EVERY)
    }
    by_state = {state: tuple(one for one in symbols if stands.get(one) == state) for state in states}
    missing, quarantined = by_state["missing"], by_state["quarantined"]
    unlisted = tuple(one for one in symbols if one not in stands)
    shares = {venue: covered[venue].share if venue in covered else None for venue in venues}
    if lacks := _named({"missing": missing, "in_quarantine": quarantined, "not_listed": unlisted}):
        reason = say("not_ready", dataset=dataset, day=session, lacks=lacks)
        return Readiness(dataset, session, False, reason, shares, None, missing, quarantined)
    number = {state: len(some) for state, some in by_state.items()}
    held_now = say("traded", count=number["held"], others=_others(number))
    ready_at = max((covered[venue].recorded_at for venue in venues if venue in covered), default=None)
    reason = say("complete_symbols", dataset=dataset, day=session, held=held_now)
    return Readiness(dataset, session, True, reason, shares, ready_at)


def _unheld(
    connection: Connection, covered: Collection[Covered], *, dataset: str, session: date
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The symbols that are missing, and those that wait in quarantine."""
    if dataset != BARS:
        which = Filter(dataset=dataset, start=session, end=session, severity="blocking")
        rows = list_rows(connection, which, limit=_EVERY) if any(one.quarantined for one in covered) else []
        return (), tuple(sorted({row.symbol for row in rows if row.symbol}))
    cells = [
        cell
        for one in covered
        if one.missing or one.quarantined
        for cell in list_unheld(connection, one.venue, [session], limit=_EVERY)
    ]
    missing, quarantined = (
        tuple(sorted(cell.symbol for cell in cells if cell.state == state)) for state in ("missing", "quarantined")
    )
    return missing, quarantined


def _named(some: dict[str, tuple[str, ...]]) -> str:
    """``3 in quarantine: 0050 0051 0052``, for each that has any."""
    return "; ".join(
        say(word, count=len(symbols), symbols=" ".join(symbols[:FEW]) + (" …" if len(symbols) > FEW else ""))
        for word, symbols in some.items()
        if symbols
    )


def _lack(venue: Venue, covered: Covered | None) -> str | None:
    """What is not as it should be of a venue that was not closed: then it has rows, whatever else explains none."""
    if covered is not None and covered.share is not None and covered.share < FEWEST_EXPECTED:
        return say("accounted", share=f"{covered.share:.1%}", venue=venue)
    return None if covered is not None and covered.held else say("nothing_of", venue=venue)


def _in_words(covered: Covered) -> str:
    if covered.dataset != BARS:
        return say("rows_of", count=covered.held, venue=covered.venue)
    return say("traded_at", count=covered.held, others=_others(covered.explained), venue=covered.venue)


def _others(explained: Mapping[str, int]) -> str:
    """`` and 60 without a trade``, beside those that traded: a bar without a trade is held, too, but has no price."""
    words = [f"{explained[reason]:,} {_WORDS[reason]}" for reason in REASONS if explained.get(reason)]
    return "".join(f"{', ' if word is not words[-1] else ' and '}{word}" for word in words)
