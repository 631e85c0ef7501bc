"""Coverage against a model: every cell of the day's universe is held, quarantined, explained or missing."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, text

from app.market.figures import Figures
from app.market.gaps import Cell
from app.market.security import Venue
from app.sources.base import RejectedRow
from app.store import figures, quarantine, sessions
from app.store.cells import read_cells
from app.store.coverage import BARS, Covered, account, account_again, list_unheld, read_coverage
from app.store.securities import ids_for, save_list
from tests.integration.store.samples import DAY, NOW, bar, list_them, listed, write

DAYS = [DAY, DAY + timedelta(days=1), DAY + timedelta(days=4)]


def covered(connection: Connection, session: date = DAY, venue: Venue = Venue.TWSE) -> Covered:
    account(connection, venue, [session], at=NOW)
    (one,) = read_coverage(connection, start=session, end=session, venue=venue)
    return one


def halt(connection: Connection, symbol: str, first: date, last: date | None) -> None:
    connection.execute(
        text("INSERT INTO halts VALUES (:id, :first, :last, 'reduction', 'test', :at)"),
        {"id": ids_for(connection, [symbol])[symbol], "first": first, "last": last, "at": NOW},
    )


def reject(connection: Connection, symbol: str, dataset: str = BARS) -> None:
    row = RejectedRow(rule="price-order", reason="high below low", raw={}, symbol=symbol, session=DAY)
    quarantine.add(connection, [row], venue=Venue.TWSE, dataset=dataset, run_id=None, at=NOW)


def test_one_stock_of_a_market_is_not_the_market(connection: Connection) -> None:
    symbols = [f"{number}" for number in range(1101, 1101 + 2356)]
    list_them(connection, *symbols)
    write(connection, bar("2330"))
    one = covered(connection)
    assert (one.expected, one.held, one.missing) == (2356, 1, 2355)
    assert one.share == pytest.approx(0.0004, abs=0.00003)


def test_every_reason(connection: Connection) -> None:
    list_them(connection, "0050", "1101", "2317", "2330", "2412", "2454")
    write(connection, bar("2330"), replace(bar("2317"), open=None, high=None, low=None, close=None, change=None))
    halt(connection, "1101", DAY - timedelta(days=7), DAY)
    halt(connection, "0050", DAY + timedelta(days=1), None)
    reject(connection, "2412")
    one = covered(connection)
    assert (one.expected, one.held, one.quarantined, one.explained, one.missing) == (
        6,
        1,
        1,
        {"no_trade": 1, "halted": 1},
        2,
    )
    assert [(cell.symbol, cell.state) for cell in list_unheld(connection, Venue.TWSE, [DAY])] == [
        ("0050", "missing"),
        ("2412", "quarantined"),
        ("2454", "missing"),
    ]


def test_a_held_bar_of_which_a_newer_version_waits_is_held_once(connection: Connection) -> None:
    list_them(connection, "2317", "2330", "2412", "2454")
    write(connection, bar("2330"), bar("2317"), replace(bar("2412"), open=None, high=None, low=None, close=None))
    for dataset in (BARS, "month_bars"):
        reject(connection, "2330", dataset)
    reject(connection, "2412")
    reject(connection, "2454")
    one = covered(connection)
    assert (one.expected, one.held, one.newer_waiting, one.quarantined, one.missing) == (4, 2, 1, 2, 0)
    cells = read_cells(connection, dataset=BARS, start=DAY, end=DAY)
    assert (cells.rows, cells.set_aside) == ({Cell(DAY, Venue.TWSE): 3}, {Cell(DAY, Venue.TWSE): 1})
    (other,) = read_coverage(connection, start=DAY, end=DAY, venue=Venue.TWSE, dataset=BARS)
    assert other.newer_waiting == 1


def test_so_is_a_row_of_figures(connection: Connection) -> None:
    rows = [Figures(symbol, DAY, {"buy": 1}) for symbol in ("2317", "2330")]
    figures.write_figures(connection, "margin", rows, fields=["buy"], at=NOW)
    for symbol in ("2330", "2412"):
        reject(connection, symbol, "margin")
    cells = read_cells(connection, dataset="margin", start=DAY, end=DAY)
    assert cells.set_aside == {Cell(DAY, Venue.TWSE, "margin"): 1}


def test_a_closed_venue_misses_nothing(connection: Connection) -> None:
    list_them(connection, "2330", "2317")
    sessions.observe(connection, Venue.TWSE, DAY, is_open=False, at=NOW)
    one = covered(connection)
    assert (one.explained, one.missing, one.share) == ({"venue_closed": 2}, 0, 1.0)


def test_a_closure_is_none_any_more_where_the_other_venue_traded(connection: Connection) -> None:
    list_them(connection, "2330", "2317")
    list_them(connection, "6488", venue=Venue.TPEX)
    sessions.observe(connection, Venue.TWSE, DAY, is_open=False, at=NOW)
    assert covered(connection).explained == {"venue_closed": 2}
    write(connection, bar("6488"))
    account(connection, Venue.TPEX, [DAY], at=NOW)
    twse, tpex = sorted(read_coverage(connection, start=DAY, end=DAY), key=lambda one: one.venue, reverse=True)
    assert (twse.venue, twse.explained, twse.missing) == (Venue.TWSE, {}, 2)
    assert (tpex.venue, tpex.held) == (Venue.TPEX, 1)


def test_the_universe_is_that_of_the_day(connection: Connection) -> None:
    old, new = listed("2330", listed_on=date(1994, 9, 5)), listed("7777", listed_on=DAY + timedelta(days=1))
    save_list(connection, Venue.TWSE, [*old, *new, *listed("2412", "2454", "2881", "2882")], at=NOW)
    assert covered(connection).expected == 5, "not yet listed"
    leaves = NOW + timedelta(days=3)
    save_list(connection, Venue.TWSE, [*old, *new, *listed("2412", "2454", "2881")], at=leaves)
    assert account_again(connection, Venue.TWSE, since=DAY, at=leaves) == 1
    assert covered(connection).expected == 5, "still listed then"
    assert covered(connection, leaves.date()).expected == 5, "7777 came, 2882 left"


def test_the_same_again_writes_nothing(connection: Connection) -> None:
    list_them(connection, "2330", "2317")
    first = covered(connection)
    account(connection, Venue.TWSE, [DAY], at=NOW + timedelta(hours=1))
    assert read_coverage(connection, start=DAY, end=DAY) == [first]


SYMBOLS = ["1101", "1102", "1103", "1104", "1105", "1106"]
TRADED = st.dictionaries(st.tuples(st.sampled_from(SYMBOLS), st.sampled_from(DAYS)), st.booleans(), max_size=15)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    listing=st.dictionaries(st.sampled_from(SYMBOLS), st.sampled_from([None, *DAYS]), min_size=1),
    traded=TRADED,
    halts=st.dictionaries(st.sampled_from(SYMBOLS), st.sampled_from([None, *DAYS]), max_size=3),
    closed=st.sets(st.sampled_from(DAYS), max_size=1),
)
def test_the_sum_is_the_universe(
    connection: Connection,
    listing: dict[str, date | None],
    traded: dict[tuple[str, date], bool],
    halts: dict[str, date | None],
    closed: set[date],
) -> None:
    with connection.begin_nested() as savepoint:
        on_list = [one for symbol, day in listing.items() for one in listed(symbol, listed_on=day)]
        save_list(connection, Venue.TWSE, on_list, at=NOW)
        traded = {cell: priced for cell, priced in traded.items() if cell[0] in listing}
        whole = [bar(*cell) for cell, priced in traded.items() if priced]
        empty = [replace(bar(*cell), open=None, high=None, low=None, close=None) for cell, p in traded.items() if not p]
        write(connection, *whole, *empty)
        for symbol, last in halts.items():
            if symbol in listing:
                halt(connection, symbol, DAY, last)
        for day in closed:
            sessions.observe(connection, Venue.TWSE, day, is_open=False, at=datetime.combine(day, time(10), UTC))
        closed -= {day for _, day in traded}

        account(connection, Venue.TWSE, DAYS, at=NOW)
        found = {one.session: one for one in read_coverage(connection, start=DAYS[0], end=DAYS[-1])}
        for day in DAYS:
            states = Counter(
                model_state(symbol, day, since, traded=traded, halts=halts, closed=closed)
                for symbol, since in listing.items()
            )
            del states[None]
            if not states:
                assert day not in found
                continue
            one = found[day]
            assert one.expected == sum(states.values())
            assert (one.held, one.missing, one.quarantined) == (states["held"], states["missing"], 0)
            assert one.explained == {
                word: states[word] for word in ("no_trade", "halted", "venue_closed") if states[word]
            }
        savepoint.rollback()


def model_state(
    symbol: str,
    day: date,
    since: date | None,
    *,
    traded: dict[tuple[str, date], bool],
    halts: dict[str, date | None],
    closed: set[date],
) -> str | None:
    if (symbol, day) in traded:
        return "held" if traded[symbol, day] else "no_trade"
    if since is not None and since > day:
        return None
    if day in closed:
        return "venue_closed"
    if symbol in halts and day >= DAY and (halts[symbol] is None or day <= halts[symbol]):  # type: ignore[operator]
        return "halted"
    return "missing"
