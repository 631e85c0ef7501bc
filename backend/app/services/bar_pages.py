"""Daily bars of many securities, by symbol and session, page by page: for the API, for files, for the command line."""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

import numpy as np
import polars as pl

from app.errors import ChangedMeanwhile, InvalidParameter
from app.export.bar_frame import adjusted_frame, bar_frame
from app.export.factor_panel import factor_panel
from app.market.adjustment import Adjustment, Factors, factors_of
from app.market.bar import ABSENT, BAR_FIELDS
from app.services.securities import ALL, choose_securities, known_securities
from app.store import bar_histories as histories
from app.store.bar_columns import EPOCH, BarColumns, joined
from app.store.corporate_actions import actions_by_security
from app.store.engine import Connection
from app.store.securities import list_securities

COLUMNS = ("symbol", "session", *BAR_FIELDS, "applied_factor")
"""Of a page, in order: prices as whole millionths of a TWD, see ``app.export.bar_frame``, times the factor."""


@dataclass(frozen=True, slots=True)
class Place:
    """A bar, by which a page ends and after which the next one begins; with what its security was adjusted by."""

    symbol: str
    session: date
    factors: str | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """Which bars: *ids* by symbol, in order of the symbols' characters; *start* and *end* included.

    With *as_of* (aware) as they stood then, adjusted by what was known then.
    """

    ids: Mapping[str, int]
    start: date
    end: date
    adjustment: Adjustment | None = None
    as_of: datetime | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Bars in order of symbol and session; *next* is None where there are no more."""

    frame: pl.DataFrame
    next: Place | None


def choose_bars(
    connection: Connection,
    *,
    symbols: Sequence[str] | None,
    universe: str | None,
    universes: Mapping[str, Sequence[str]],
    start: date | None,
    end: date | None,
    adjustment: Adjustment | None = None,
    as_of: datetime | None = None,
) -> Choice:
    """What is asked for, its ends drawn in to what is held. The universe `all` has those that were delisted, too.

    Raises:
        InvalidParameter: symbols and universe both or neither, no such universe, or *start* later than *end*.
        UnknownSymbol: names every symbol that no list holds.
    """
    if (symbols is None) is (universe is None):
        raise InvalidParameter("Say which securities: either symbols, such as 2330,0050, or a universe.")
    if start and end and start > end:
        raise InvalidParameter(f"start {start} is later than end {end}.")
    if symbols is not None:
        chosen = known_securities(connection, symbols)
    elif universe == ALL:
        chosen = list_securities(connection)
    else:
        chosen = choose_securities(connection, symbols=None, universe=universe, universes=universes)
    # What stood then is held now: these ends are wide enough for any instant.
    first, last = histories.held_sessions(connection) or (date.max, date.min)
    ids = {one.symbol: one.id for one in sorted(chosen, key=lambda one: one.symbol)}
    return Choice(ids, max(start or first, first), min(end or last, last), adjustment, as_of)


def count_bars(connection: Connection, choice: Choice, *, most: int) -> int:
    """How many bars that is; *most* when it is as many or more."""
    ids = choice.ids.values()
    return histories.count_bars(connection, ids, start=choice.start, end=choice.end, most=most, as_of=choice.as_of)


def pages(connection: Connection, choice: Choice, *, limit: int) -> Iterator[Page]:
    """All of them; one page at least."""
    page = read_page(connection, choice, limit=limit)
    yield page
    while page.next:
        page = read_page(connection, choice, after=page.next, limit=limit)
        yield page


def read_page(connection: Connection, choice: Choice, *, after: Place | None = None, limit: int) -> Page:
    """The first *limit* bars, or those that follow *after*.

    Bars that are written between two pages come into neither twice: a page begins after a bar, not after a number.

    Raises:
        ChangedMeanwhile: the rest of a security's bars would be adjusted otherwise than those of the page before.
    """
    if after and after.factors and choice.adjustment and after.symbol in choice.ids:
        _check_unchanged(connection, choice, choice.adjustment, after)
    found: dict[str, BarColumns] = {}
    count = 0
    for symbol, history in _histories(connection, choice, after, limit):
        found[symbol] = history
        count += len(history)
        if count > limit:
            break
    bars = joined(list(found.values()), BAR_FIELDS).take(slice(limit))
    names = pl.Series(list(found), dtype=pl.String)
    symbols = names.gather(np.repeat(np.arange(len(found)), [len(history) for history in found.values()])[:limit])
    frame = bar_frame(symbols, bars.sessions + EPOCH, bars.values, absent=ABSENT)
    factors = np.ones(len(bars))
    if choice.adjustment:
        exact = _factors(connection, choice.adjustment, set(bars.ids.tolist()), choice.as_of)
        days = bars.sessions + EPOCH
        factors = factor_panel(exact).factors_at(bars.ids, days)
        frame = adjusted_frame(
            frame, factors, lambda row: exact[int(bars.ids[row])].factor_on(date.fromordinal(int(days[row])))
        )
    frame = frame.with_columns(pl.Series("applied_factor", factors, pl.Float64))
    if count <= limit:
        return Page(frame, None)
    digest = _digest(exact[int(bars.ids[-1])]) if choice.adjustment else None
    symbol, session = frame.row(-1)[:2]
    return Page(frame, Place(symbol, session, digest))


def _check_unchanged(connection: Connection, choice: Choice, adjustment: Adjustment, after: Place) -> None:
    one = choice.ids[after.symbol]
    if _digest(_factors(connection, adjustment, {one}, choice.as_of)[one]) != after.factors:
        raise ChangedMeanwhile(
            f"A corporate action of {after.symbol} came since the page before, whose prices were adjusted without it: "
            "begin anew with the first page."
        )


def _digest(factors: Factors) -> str:
    told = [f"{day} {value}" for day, value in zip((date.min, *factors.ex_dates), factors.values, strict=True)]
    return hashlib.sha256("\n".join(told).encode()).hexdigest()[:16]


def _histories(
    connection: Connection, choice: Choice, after: Place | None, limit: int
) -> Iterator[tuple[str, BarColumns]]:
    """Symbol and bars, in order: so many securities a statement as are likely to fill the page."""
    symbols, at = list(choice.ids), 0
    if after:
        at = bisect_left(symbols, after.symbol)
        if symbols[at : at + 1] == [after.symbol] and after.session < choice.end:
            start = max(choice.start, after.session + timedelta(days=1))
            own = {after.symbol: choice.ids[after.symbol]}
            yield from _read(connection, own, replace(choice, start=start))
        at += symbols[at : at + 1] == [after.symbol]
    if choice.start > choice.end:
        return
    each = (choice.end - choice.start).days * 5 // 7 + 1
    step = limit // each + 1
    while at < len(symbols):
        some = {symbol: choice.ids[symbol] for symbol in symbols[at : at + step]}
        yield from _read(connection, some, choice)
        at += step
        step = min(2 * step, 2 * limit // each + 1)  # many have no bars, or few


def _read(connection: Connection, ids: Mapping[str, int], choice: Choice) -> Iterator[tuple[str, BarColumns]]:
    found = histories.read_histories(connection, ids.values(), start=choice.start, end=choice.end, as_of=choice.as_of)
    return ((symbol, found[one]) for symbol, one in ids.items() if one in found)


def _factors(
    connection: Connection, adjustment: Adjustment, ids: set[int], as_of: datetime | None
) -> dict[int, Factors]:
    """Over each whole history that is held (or was then), so that every page of it fits the others."""
    actions = actions_by_security(connection, ids=ids, as_of=as_of)
    held = histories.held_ranges_of(connection, actions, as_of=as_of)
    return {one: Factors() for one in ids} | {
        one: factors_of(actions[one], adjustment, first=first, last=last) for one, (first, last) in held.items()
    }
