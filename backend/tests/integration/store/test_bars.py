from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Connection, Engine, text

from app.errors import InvalidParameter, InvalidRow, UnknownSymbol
from app.market.bar import Bar
from app.market.security import Venue
from app.store.bar_reads import count_by_session, last_session, read_bars, read_panel
from app.store.bars import Written
from app.store.engine import transaction
from app.store.revisions import list_revisions
from app.store.securities import ids_for
from tests.integration.store.samples import DAY, NOW, bar, list_them, versions, wal_position, write

OHLC = ("open", "high", "low", "close")


def list_four(connection: Connection) -> None:
    list_them(connection, "2330", "2317", "0050")
    list_them(connection, "6488", venue=Venue.TPEX)


@pytest.fixture(name="engine")
def engine_with_securities(engine: Engine) -> Engine:
    with transaction(engine) as connection:
        list_four(connection)
    return engine


@pytest.fixture(name="connection")
def connection_with_securities(connection: Connection) -> Connection:
    list_four(connection)
    return connection


def test_what_is_written_is_read(connection: Connection) -> None:
    bars = [bar("2330"), bar("0050", close=1_400_500, volume=0, change=None)]
    assert write(connection, *bars) == Written(inserted=2)
    assert read_bars(connection, "2330") == [bars[0]]
    assert read_bars(connection, "0050") == [bars[1]]
    assert read_bars(connection, "2317") == []


def test_absent_values_stay_absent(connection: Connection) -> None:
    suspended = Bar("2330", DAY, volume=0, turnover=0, trades=0)
    write(connection, suspended)
    assert read_bars(connection, "2330") == [suspended]
    assert connection.execute(text("SELECT open, close, change FROM bars")).one() == (None, None, None)


def test_largest_values_survive(connection: Connection) -> None:
    largest = bar(high=2**31 - 1, change=-(2**31) + 1, volume=2**63 - 1, turnover=2**53 + 1, trades=2**31 - 1)
    write(connection, largest)
    assert read_bars(connection, "2330") == [largest]
    assert write(connection, largest) == Written(unchanged=1)


def test_the_same_again_writes_nothing(engine: Engine) -> None:
    bars = [bar(symbol, DAY + timedelta(day), change=None) for symbol in ("2330", "0050") for day in range(30)]
    with transaction(engine) as connection:
        write(connection, *bars)
    with transaction(engine) as connection:
        before = versions(connection, "bars")
        assert read_bars(connection, "2330")  # sets hint bits, so that they are not taken for a write below
    wal = wal_position(engine)
    with transaction(engine) as connection:
        assert write(connection, *reversed(bars), at=NOW + timedelta(days=1)) == Written(unchanged=60)
    assert wal_position(engine) - wal < 1000  # a commit record at most; one row alone is as much
    with transaction(engine) as connection:
        assert versions(connection, "bars") == before
        assert list_revisions(connection) == []


def test_only_what_changed_is_written(connection: Connection) -> None:
    write(connection, bar("2330"), bar("0050"))
    later = NOW + timedelta(days=1)
    corrected = bar("2330", close=7_840_000, trades=41_235)
    assert write(connection, corrected, bar("0050"), bar("2317"), at=later, run_id="run-2") == Written(1, 1, 1, 2)
    assert read_bars(connection, "2330") == [corrected]
    stamps = dict(
        connection.execute(
            text("SELECT symbol, recorded_at FROM bars JOIN securities ON id = security_id ORDER BY symbol")
        ).all()
    )
    assert stamps == {"0050": NOW, "2330": later, "2317": later}
    assert {(one.field, one.old, one.new) for one in list_revisions(connection, symbol="2330")} == {
        ("close", 7_850_000, 7_840_000),
        ("trades", 41_234, 41_235),
    }
    revision = list_revisions(connection, run_id="run-2")[0]
    assert (revision.symbol, revision.session, revision.source, revision.seen_at) == ("2330", DAY, "test", later)
    assert list_revisions(connection, run_id="run-1") == []


def test_a_close_only_source_cannot_touch_the_rest(connection: Connection) -> None:
    write(connection, bar("2330"))
    thin = Bar("2330", DAY, open=1, high=1, low=1, close=7_860_000, volume=0)
    assert write(connection, thin, Bar("2317", DAY, open=5, close=99), fields={"close"}) == Written(1, 1, 0, 1)
    assert read_bars(connection, "2330") == [bar("2330", close=7_860_000)]
    assert read_bars(connection, "2317") == [Bar("2317", DAY, close=99)]


def test_filling_an_absent_value_is_no_revision(connection: Connection) -> None:
    write(connection, Bar("2330", DAY, close=7_850_000), fields={"close"})
    assert write(connection, bar("2330")) == Written(updated=1)
    assert list_revisions(connection) == []
    assert read_bars(connection, "2330") == [bar("2330")]


def test_a_withdrawn_value_is_a_revision(connection: Connection) -> None:
    write(connection, bar("2330"))
    assert write(connection, bar("2330", change=None)) == Written(updated=1, revised=1)
    assert [(one.field, one.old, one.new) for one in list_revisions(connection)] == [("change", -50_000, None)]
    assert read_bars(connection, "2330") == [bar("2330", change=None)]


@pytest.mark.parametrize(
    ("held", "rounded", "stays"),
    [(1_234_567, 1_234_000, True), (1_234_567, 1_235_000, True), (1_234_567, 1_236_000, False), (None, 1_000, False)],
)
def test_a_rounded_value_does_not_replace_a_finer_one(
    connection: Connection, held: int | None, rounded: int, stays: bool
) -> None:
    write(connection, bar("6488", volume=held))
    written = write(connection, bar("6488", volume=rounded), rounded={"volume": 1000})
    assert written.unchanged == (1 if stays else 0)
    assert read_bars(connection, "6488")[0].volume == (held if stays else rounded)


def test_a_rounded_value_stays_while_its_neighbour_changes(connection: Connection) -> None:
    write(connection, bar("6488", volume=1_234_567))
    assert write(connection, bar("6488", volume=1_234_000, close=7_800_000), rounded={"volume": 1000}).revised == 1
    assert read_bars(connection, "6488") == [bar("6488", volume=1_234_567, close=7_800_000)]


@pytest.mark.parametrize(
    ("source", "held", "told", "revised"),
    [
        ("TPEX.daily_bars", {"volume": 23_000}, {"volume": 22_740}, 0),  # lots, then shares
        ("TPEX.daily_bars", {"volume": 0}, {"volume": 740}, 0),
        ("TPEX.daily_bars", {"volume": 22_700}, {"volume": 22_740}, 0),  # a fund's lots of 100
        ("TPEX.daily_bars", {"turnover": 5_000}, {"turnover": 5_999}, 0),
        ("TPEX.daily_bars", {"volume": 23_000}, {"volume": 22_000}, 1),
        ("TPEX.daily_bars", {"volume": 22_741}, {"volume": 22_740}, 1),
        ("TPEX.daily_bars", {"turnover": 5_100}, {"turnover": 5_199}, 1),
        ("TPEX.daily_bars", {"volume": 23_000}, {"volume": None}, 1),
        ("TPEX.daily_bars", {"trades": 23_000}, {"trades": 22_740}, 1),
        ("TWSE.daily_bars", {"volume": 23_000}, {"volume": 22_740}, 1),
    ],
)
def test_a_value_that_only_becomes_exact_is_no_revision(
    connection: Connection, source: str, held: dict[str, int], told: dict[str, int | None], revised: int
) -> None:
    write(connection, replace(bar("6488"), **held))
    exact = replace(bar("6488"), **told)
    assert write(connection, exact, source=source, at=NOW + timedelta(days=1)) == Written(updated=1, revised=revised)
    assert len(list_revisions(connection)) == revised
    assert read_bars(connection, "6488") == [exact]
    assert read_bars(connection, "6488", as_of=NOW) == [replace(bar("6488"), **held)]


@pytest.mark.parametrize(
    ("wrong", "rule"),
    [
        (bar("2317", close=0), "out-of-range"),
        (bar("2317", close=-5), "out-of-range"),
        (bar("2317", close=2**31), "out-of-range"),
        (bar("2317", volume=-1), "out-of-range"),
        (bar("2317", turnover=2**63), "out-of-range"),
        (bar("2317", change=-(2**31)), "out-of-range"),
        (bar("2317", close=float("nan")), "not-an-integer"),  # type: ignore[arg-type]
        (bar("2317", close=785.0), "not-an-integer"),  # type: ignore[arg-type]
        (bar("2317", volume=True), "not-an-integer"),
        (bar("2317", close=np.int64(5)), "not-an-integer"),  # type: ignore[arg-type]
        (bar("2317", close="785"), "not-an-integer"),  # type: ignore[arg-type]
        (bar("2317", datetime(2024, 5, 2, tzinfo=UTC)), "not-a-date"),
        (bar("2330", close=1), "duplicate-key"),
    ],
)
def test_a_wrong_bar_stops_the_batch_before_any_effect(connection: Connection, wrong: Bar, rule: str) -> None:
    with pytest.raises(InvalidRow) as caught:
        write(connection, bar("2330"), bar("0050"), wrong)
    assert caught.value.rule == rule
    assert wrong.symbol in str(caught.value)
    assert count_by_session(connection) == {}


def test_a_wrong_value_in_a_field_that_is_not_written_is_not_looked_at(connection: Connection) -> None:
    odd: Any = bar("2330", volume=float("nan"))  # type: ignore[arg-type]
    assert write(connection, odd, fields={"close"}).inserted == 1


def test_an_unknown_symbol_is_named(connection: Connection) -> None:
    with pytest.raises(UnknownSymbol, match="'9999'"):
        write(connection, bar("2330"), bar("9999"))
    assert count_by_session(connection) == {}


@pytest.mark.parametrize("fields", [set(), {"close", "price"}])
def test_fields_must_be_those_of_a_bar(connection: Connection, fields: set[str]) -> None:
    with pytest.raises(InvalidParameter):
        write(connection, bar(), fields=fields)


def test_an_instant_needs_a_zone(connection: Connection) -> None:
    with pytest.raises(InvalidParameter, match="time zone"):
        write(connection, bar(), at=NOW.replace(tzinfo=None))


def test_nothing_to_write_is_nothing_written(connection: Connection) -> None:
    assert write(connection) == Written()
    assert (Written(1, 2, 3, 4) + Written(10, 20, 30, 40)).stored == 33


def test_a_rollback_keeps_nothing(engine: Engine) -> None:
    def fail() -> None:
        with transaction(engine) as connection:
            write(connection, bar("2330"))
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError):
        fail()
    with transaction(engine) as connection:
        assert read_bars(connection, "2330") == []


def test_a_sparse_batch_changes_only_its_own_cells(connection: Connection) -> None:
    days = [DAY + timedelta(offset) for offset in range(0, 400, 7)]
    everything = [bar(symbol, day) for symbol in ("2330", "2317", "0050") for day in days]
    write(connection, *everything)
    far = [bar("2330", days[0], close=1), bar("2317", days[-1], close=2), bar("2317", days[-1] + timedelta(1))]
    assert write(connection, *far) == Written(1, 2, 0, 2)
    assert sum(count_by_session(connection).values()) == len(everything) + 1
    assert [one.close for one in read_bars(connection, "0050")] == [7_850_000] * len(days)


def test_a_batch_larger_than_a_part(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.store.bars._PART", 7)
    monkeypatch.setattr("app.store.bar_changes._FEW", 2)  # reads whole sessions, other securities' rows among them
    bars = [bar(symbol, DAY + timedelta(day)) for day in range(15) for symbol in ("2330", "2317", "0050")]
    write(connection, bar("6488"))
    assert write(connection, *bars) == Written(inserted=45)
    changed = [replace(one, volume=1) if one.session.day % 2 else one for one in bars]
    assert write(connection, *changed).updated == sum(one.session.day % 2 for one in bars)
    assert write(connection, *changed) == Written(unchanged=45)


def test_two_writers_of_the_same_bars_do_not_collide(engine: Engine) -> None:
    bars = [bar(symbol, DAY + timedelta(day)) for day in range(40) for symbol in ("2330", "2317", "0050")]
    results: list[Written] = []

    def work(order: int) -> None:
        with transaction(engine) as connection:
            results.append(write(connection, *bars[::order]))

    threads = [threading.Thread(target=work, args=(order,)) for order in (1, -1, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(one.inserted for one in results) == [0, 0, 120]
    assert sum(one.unchanged for one in results) == 240


def test_reading_a_range_and_the_newest(connection: Connection) -> None:
    days = [DAY + timedelta(offset) for offset in range(10)]
    write(connection, *(bar("2330", day) for day in days), bar("6488", days[2]))
    assert [one.session for one in read_bars(connection, "2330", start=days[3], end=days[5])] == days[3:6]
    assert [one.session for one in read_bars(connection, "2330", limit=2)] == days[-2:]
    assert last_session(connection) == days[-1]
    assert last_session(connection, venue=Venue.TPEX) == days[2]
    assert last_session(connection, venue=Venue.EMERGING) is None
    assert count_by_session(connection, start=days[1], end=days[3]) == {days[1]: 1, days[2]: 2, days[3]: 1}
    assert count_by_session(connection, venue=Venue.TPEX) == {days[2]: 1}


def test_a_panel_comes_in_parts_of_whole_sessions(connection: Connection) -> None:
    days = [DAY + timedelta(offset) for offset in range(6)]
    bars = [bar(symbol, day, change=None) for day in days for symbol in ("2330", "0050", "6488")]
    write(connection, *bars)
    ids = ids_for(connection, ["2330", "0050", "6488"])
    parts = list(read_panel(connection, start=days[0], end=days[4], rows=4))
    assert [len(part) for part in parts] == [6, 6, 3]
    assert all((np.diff(part.keys) > 0).all() for part in parts)
    assert {int(one) for part in parts for one in part.ids} == set(ids.values())
    assert {int(one) for part in parts for one in part.values["close"]} == {7_850_000}
    assert {int(one) for part in parts for one in part.values["change"]} == {-(2**31)}
    only = list(read_panel(connection, start=days[0], end=days[-1], symbols=["6488"], fields=("volume",)))
    assert [(len(part), list(part.values)) for part in only] == [(6, ["volume"])]
    assert list(read_panel(connection, start=date(1999, 1, 1), end=date(1999, 1, 2))) == []
    assert list(read_panel(connection, start=days[0], end=days[-1], symbols=[])) == []


@pytest.mark.parametrize("statement", ["open = 0", "low = -1", "volume = -1", "trades = -1"])
def test_the_database_itself_refuses_what_cannot_be_true(engine: Engine, statement: str) -> None:
    with transaction(engine) as connection:
        write(connection, bar("2330"))
    with pytest.raises(Exception, match="violates check constraint"), transaction(engine) as connection:
        connection.execute(text(f"UPDATE bars SET {statement}"))
