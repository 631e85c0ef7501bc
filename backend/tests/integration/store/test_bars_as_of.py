"""Bars as they stood: after any series of writes every earlier state can be read, and is what a dictionary had kept."""

from __future__ import annotations

from copy import deepcopy
from datetime import date, datetime, timedelta

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, text

from app.errors import InvalidParameter
from app.market.bar import ABSENT, BAR_FIELDS, Bar
from app.store.bar_columns import day
from app.store.bar_reads import read_bars, read_panel
from app.store.engine import transaction
from app.store.revisions import list_revisions
from app.store.securities import ids_for
from tests.integration.store.samples import DAY, NOW, bar, list_them, write
from tests.integration.store.test_bars_model import SYMBOLS, Model, batches

Held = dict[tuple[str, date], dict[str, int | None]]


def by_symbol(connection: Connection, as_of: datetime) -> Held:
    return {
        (one.symbol, one.session): {name: getattr(one, name) for name in BAR_FIELDS}
        for symbol in SYMBOLS
        for one in read_bars(connection, symbol, as_of=as_of)
    }


def by_panel(connection: Connection, as_of: datetime) -> Held:
    symbols = {number: symbol for symbol, number in ids_for(connection, SYMBOLS).items()}
    return {
        (symbols[int(part.ids[row])], day(part.sessions[row])): {
            name: None if part.values[name][row] == ABSENT else int(part.values[name][row]) for name in BAR_FIELDS
        }
        for part in read_panel(connection, start=date.min, end=date.max, as_of=as_of)
        for row in np.arange(len(part))
    }


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(series=st.lists(batches(), min_size=1, max_size=6))
def test_every_earlier_state_can_be_read(
    engine: Engine, series: list[tuple[list[Bar], frozenset[str], dict[str, int]]]
) -> None:
    with transaction(engine) as connection:
        connection.execute(text("TRUNCATE bars, revisions, securities"))
        list_them(connection, *SYMBOLS)
    model, stood = Model(), {NOW - timedelta(hours=1): Held()}
    for number, (bars, fields, rounded) in enumerate(series):
        at = NOW + timedelta(minutes=number)
        with transaction(engine) as connection:
            write(connection, *bars, fields=fields, rounded=rounded, at=at)
        model.write(bars, fields, rounded)
        stood[at] = deepcopy(model.held)
    with transaction(engine) as connection:
        for at, held in stood.items():
            for read in (by_symbol, by_panel):
                assert read(connection, at) == held
                assert read(connection, at + timedelta(seconds=59)) == held


def test_a_clock_put_back_hides_no_state(connection: Connection) -> None:
    list_them(connection, "2330")
    write(connection, bar(close=7_850_000))
    write(connection, bar(close=7_860_000), at=NOW - timedelta(hours=1))
    write(connection, bar(close=7_870_000), at=NOW - timedelta(hours=2))
    states = [read_bars(connection, "2330", as_of=NOW + timedelta(microseconds=step)) for step in range(3)]
    assert [one.close for (one,) in states] == [7_850_000, 7_860_000, 7_870_000]
    assert read_bars(connection, "2330", as_of=NOW - timedelta(microseconds=1)) == []


def test_a_value_that_came_later_was_absent_before_and_is_no_revision(connection: Connection) -> None:
    list_them(connection, "2330")
    write(connection, Bar("2330", DAY, close=7_850_000), fields={"close"})
    write(connection, bar(), at=NOW + timedelta(days=1))
    assert read_bars(connection, "2330", as_of=NOW) == [Bar("2330", DAY, close=7_850_000)]
    assert list_revisions(connection) == []


def test_ranges_and_limits_hold_for_the_past_too(connection: Connection) -> None:
    list_them(connection, "2330")
    days = [DAY + timedelta(number) for number in range(4)]
    write(connection, *(bar(session=one, close=10_000 + number) for number, one in enumerate(days)))
    write(connection, *(bar(session=one, close=20_000) for one in days), at=NOW + timedelta(days=1))
    found = read_bars(connection, "2330", start=days[1], end=days[3], limit=2, as_of=NOW)
    assert [(one.session, one.close) for one in found] == [(days[2], 10_002), (days[3], 10_003)]


def test_an_instant_without_zone_is_refused(connection: Connection) -> None:
    with pytest.raises(InvalidParameter, match="time zone"):
        read_bars(connection, "2330", as_of=datetime(2026, 1, 1))  # noqa: DTZ001
