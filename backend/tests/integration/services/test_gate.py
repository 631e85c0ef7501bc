"""The gate before the store: the dirty panel's dirty cells are held back, every other row is stored, none is lost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from app.errors import TooManyInvalidRows
from app.market.bar import BAR_FIELDS, Bar
from app.market.calendar import TradingCalendar
from app.market.corporate_action import ActionKind, CorporateAction
from app.market.security import Security, SecurityKind, Venue
from app.services.gate import Gate
from app.services.sync_daily_bars import sync_daily_bars
from app.services.sync_securities import sync_securities
from app.sources.base import Parsed
from app.store import sessions
from app.store.corporate_actions import write_actions
from app.store.engine import transaction
from app.store.securities import list_securities, save_list

TAIPEI = ZoneInfo("Asia/Taipei")
NOW = datetime(2024, 5, 10, 13, 0, tzinfo=ZoneInfo("UTC"))
DAY = date(2024, 5, 2)

OUT_OF_ORDER = [date(2025, 1, 15), date(2025, 1, 20)]
ZERO_CLOSES = [date(2026, 6, 15), date(2026, 6, 17), date(2026, 6, 18)]


@pytest.mark.needs_shared
@pytest.mark.unlisted
def test_the_dirty_cells_of_the_dirty_panel(make_bench: Any, start_sandbox: Any, shared_data: Path) -> None:
    path = shared_data / "panels/whole_market_daily_2024-12_2026-08.parquet"
    bench = make_bench(start_sandbox(replay=path, now=datetime(2026, 6, 22, 22, 0, tzinfo=TAIPEI)))
    days = OUT_OF_ORDER + ZERO_CLOSES
    for day in days:
        sync_daily_bars(bench.context, start=day, end=day)

    names = ("Open", "High", "Low", "Close")
    panel = (
        pl.read_parquet(path)
        .with_columns(
            pl.col("code").cast(pl.String).alias("symbol"),
            pl.col("Date").cast(pl.Date).alias("session"),
            *((pl.col(name).cast(pl.Float64) * 100).round().cast(pl.Int64) for name in names),
        )
        .filter(pl.col("session").is_in(days))
    )
    ordered = (pl.col("Low") == pl.min_horizontal(*names)) & (pl.col("High") == pl.max_horizontal(*names))
    zero = pl.min_horizontal(*names) == 0
    dirty = panel.with_columns(
        rule=pl.when(zero).then(pl.lit("zero-price")).when(~ordered).then(pl.lit("ohlc-order")).otherwise(None)
    ).filter(pl.col("rule").is_not_null())
    held = bench.rows("SELECT session, symbol, rule, severity, raw, parsed FROM quarantine WHERE severity = 'blocking'")
    assert {row[:3] for row in held} == set(dirty.select("session", "symbol", "rule").iter_rows())
    assert len(held) == len(dirty) == 12 + 11 + 6
    assert {row.symbol: row.parsed is None for row in held} == {
        row["symbol"]: row["rule"] == "zero-price" for row in dirty.iter_rows(named=True)
    }
    for row in held:
        assert row.raw.get("代號", row.raw.get("證券代號")) == row.symbol

    clean = panel.join(dirty, on=["symbol", "session"], how="anti")
    cents = [(pl.col(name) * 100).alias(name) for name in names]
    stored = bench.rows(
        "SELECT symbol, session, open, high, low, close, volume FROM bars JOIN securities s ON s.id = security_id"
    )
    assert {tuple(row) for row in stored} == set(clean.select("symbol", "session", *cents, "Volume").iter_rows())
    assert len(stored) > 7_000

    covered = bench.rows("SELECT sum(quarantined) FROM coverage WHERE dataset = 'daily_bars'")[0][0]
    assert covered == len(dirty)
    again = sync_daily_bars(bench.context, start=days[0], end=days[0])
    assert (again.counts.stored, again.counts.quarantined) == (0, 12)
    assert bench.number("SELECT count(*) FROM quarantine WHERE severity = 'blocking'") == len(held)


def test_a_synthetic_market_breaks_no_rule(bench: Any) -> None:
    """Ex-dates of every sort among it, whose reference prices the ledger does not hold yet."""
    for day in (date(2026, 7, 15), date(2026, 7, 16), date(2026, 11, 20)):
        sync_daily_bars(bench.context, start=day, end=day)
    assert bench.rows("SELECT symbol, rule, reason FROM quarantine") == []


class Trimmed:
    """A client of whose answers only a part arrives."""

    def __init__(self, client: Any, share: float) -> None:
        self.client, self.share = client, share

    def fetch(self, dataset: Any, query: Any) -> Any:
        parsed = self.client.fetch(dataset, query)
        if dataset.name != "daily_bars":
            return parsed
        most = int(len(parsed.rows) * self.share)
        return replace(parsed, rows=parsed.rows[:most], cells=parsed.cells[:most])


def test_a_market_that_shrinks_is_partial_and_one_that_grows_is_pointed_at(bench: Any) -> None:
    first, second, third = date(2026, 11, 17), date(2026, 11, 18), date(2026, 11, 19)
    sync_securities(bench.context)
    with transaction(bench.engine) as connection:
        # A list that expects next to nothing: what came before tells what should have come.
        connection.exec_driver_sql("UPDATE securities SET on_list = false WHERE symbol NOT IN ('2330', '6488')")
    sync_daily_bars(bench.context, start=first, end=first)

    short = replace(bench.context, client=Trimmed(bench.context.client, 0.9))
    report = sync_daily_bars(short, start=second, end=second)
    assert report.state == "PARTIAL"
    reasons = [row[0] for row in bench.rows("SELECT reason FROM units WHERE session = :day", day=second)]
    assert len(reasons) == 2
    assert all("where the session beside it had" in reason and "(-10.0%)" in reason for reason in reasons)
    assert bench.rows("SELECT * FROM quarantine") == []

    report = sync_daily_bars(bench.context, start=third, end=third)
    assert report.state == "SUCCESS"
    found = bench.rows("SELECT venue, session, symbol, rule, severity, raw FROM quarantine ORDER BY venue")
    assert [row[:5] for row in found] == [(venue, third, None, "row-count", "warning") for venue in ("TPEX", "TWSE")]

    # The session before comes whole at last; read again, the later one is nothing to point at.
    sync_daily_bars(bench.context, start=second, end=third)
    sync_daily_bars(bench.context, start=third, end=third)
    assert bench.rows("SELECT DISTINCT decision FROM quarantine") == [("mended",)]


@pytest.fixture
def judge(make_bench: Any, sandbox: Any) -> Callable[..., list[tuple[str, str]]]:
    bench = make_bench(sandbox, run_id=None)
    listed = [
        Security("2330", "台積電", Venue.TWSE, SecurityKind.STOCK, listed_on=date(1994, 9, 5)),
        Security("7777", "新股", Venue.TWSE, SecurityKind.STOCK, listed_on=date(2024, 4, 26)),
        Security("0050", "元大台灣50", Venue.TWSE, SecurityKind.ETF),
        Security("8888", "舊股", Venue.TWSE, SecurityKind.OTHER),
    ]
    with transaction(bench.engine) as connection:
        save_list(connection, Venue.TWSE, listed, at=NOW)
        action = CorporateAction("2330", DAY, ActionKind.DIVIDEND, 8_500_000, 8_000_000)
        write_actions(connection, [action], period=(DAY, DAY), source="TWSE.dividends", run_id=None, at=NOW)
        sessions.observe(connection, Venue.TWSE, date(2024, 5, 4), is_open=True, at=NOW)
        gate = Gate(list_securities(connection), TradingCalendar())

    def go(*bars: Bar, today: date = date(2024, 5, 10)) -> list[tuple[str, str]]:
        cells = tuple({"證券代號": bar.symbol} for bar in bars)
        parsed = Parsed(bars, cells=cells, fields=frozenset(BAR_FIELDS))
        with transaction(bench.engine) as connection:
            passed = gate.judge(connection, parsed, venue=Venue.TWSE, dataset="daily_bars", today=today)
        assert {*passed.rows} | {b for b in bars if (b.symbol, b.session) in _keys(passed.blocked)} == {*bars}
        return [(row.rule, row.severity.value) for row in (*passed.blocked, *passed.warnings)]

    return go


def _keys(rows: Any) -> set[tuple[str, date]]:
    return {(row.symbol, row.session) for row in rows}


def bar(symbol: str = "2330", session: date = DAY, close: int = 8_000_000, change: int | None = 0) -> Bar:
    return Bar(symbol, session, close, close, close, close, change, 1_000, close // 10, 1)


@pytest.mark.unlisted
def test_on_an_ex_date_the_ledgers_reference_counts(judge: Any) -> None:
    assert judge(bar(change=None)) == []
    assert judge(bar(close=8_800_000, change=None)) == []
    assert judge(bar(close=8_810_000, change=None)) == [("price-limit", "warning")]
    assert judge(bar(close=9_810_000, session=date(2024, 5, 3), change=None)) == []  # no ex-date: nothing to compare


@pytest.mark.unlisted
def test_limits_of_the_time_and_of_the_security(judge: Any) -> None:
    assert judge(bar(close=800_000, change=66_000)) == []
    assert judge(bar(close=800_000, change=66_000, session=date(2015, 5, 29))) == [("price-limit", "warning")]
    assert (
        judge(bar("7777", close=800_000, change=300_000)) == []
    )  # its fifth session, as 1 May is a holiday: its fourth
    assert judge(bar("7777", close=800_000, change=300_000, session=date(2024, 5, 6))) == [("price-limit", "warning")]
    assert judge(bar("0050", close=800_000, change=300_000)) == []  # whether a fund is free, nobody tells
    assert judge(bar("8888", close=800_100, change=300_000)) == []


@pytest.mark.unlisted
def test_ticks_of_the_time(judge: Any) -> None:
    assert judge(bar(close=800_100)) == [("tick-size", "blocking")]
    assert judge(bar(close=800_100, session=date(2005, 2, 25))) == []


@pytest.mark.unlisted
def test_days_on_which_there_is_no_session(judge: Any) -> None:
    blocked = [("session-bounds", "blocking")]
    assert judge(bar(session=date(2024, 5, 1))) == blocked  # Labour Day
    assert judge(bar(session=date(2024, 5, 4))) == []  # a Saturday, and the exchange says that it was open
    assert judge(bar(session=date(2024, 5, 13)), today=date(2024, 5, 10)) == blocked
    assert judge(bar(), bar(session=date(2024, 5, 5))) == blocked


class Other:
    """A client whose daily bars are changed on their way: by what *spoil* makes of the reply."""

    def __init__(self, client: Any, spoil: Callable[[Any, Any], Any]) -> None:
        self.client, self.spoil = client, spoil

    def fetch(self, dataset: Any, query: Any) -> Any:
        if dataset.name != "daily_bars":
            return self.client.fetch(dataset, query)
        return self.spoil(lambda session: self.client.fetch(dataset, replace(query, session=session)), query.session)


THURSDAY, FRIDAY, MONDAY = date(2026, 11, 19), date(2026, 11, 20), date(2026, 11, 23)


def held(bench: Any, day: date) -> list[Any]:
    return list(bench.rows("SELECT security_id, close FROM bars WHERE session = :day ORDER BY 1", day=day))


def test_another_sessions_rows_are_refused_whichever_neighbour_is_held(bench: Any) -> None:
    def stale(fetch: Callable[[date], Any], _: date) -> Any:
        parsed = fetch(THURSDAY)
        return replace(parsed, rows=tuple(replace(bar, session=FRIDAY) for bar in parsed.rows))

    bench.at(datetime(2026, 11, 23, 21, 0, tzinfo=TAIPEI))
    spoilt = replace(bench.context, client=Other(bench.context.client, stale))
    sync_daily_bars(bench.context, start=THURSDAY, end=THURSDAY)
    with pytest.raises(TooManyInvalidRows, match="do not fit those of 2026-11-19: they are another session's"):
        sync_daily_bars(spoilt, start=FRIDAY, end=FRIDAY)
    assert held(bench, FRIDAY) == []

    bench.rows("DELETE FROM bars RETURNING 1")
    sync_daily_bars(bench.context, start=MONDAY, end=MONDAY)  # as a backfill goes: newest first
    with pytest.raises(TooManyInvalidRows, match="do not fit those of 2026-11-23"):
        sync_daily_bars(spoilt, start=FRIDAY, end=FRIDAY)
    assert held(bench, FRIDAY) == []
    assert sync_daily_bars(bench.context, start=FRIDAY, end=FRIDAY).state == "SUCCESS"


def test_a_good_session_beside_a_stale_one_is_believed(bench: Any) -> None:
    """The stale one came first, with nothing to compare it to; it goes as soon as it is read again."""

    def stale(fetch: Callable[[date], Any], _: date) -> Any:
        parsed = fetch(date(2026, 11, 18))
        return replace(parsed, rows=tuple(replace(bar, session=FRIDAY) for bar in parsed.rows))

    bench.at(datetime(2026, 11, 24, 21, 0, tzinfo=TAIPEI))
    spoilt = replace(bench.context, client=Other(bench.context.client, stale))
    sync_daily_bars(spoilt, start=FRIDAY, end=FRIDAY)
    wrong = held(bench, FRIDAY)
    sync_daily_bars(bench.context, start=date(2026, 11, 24), end=date(2026, 11, 24))
    assert sync_daily_bars(bench.context, start=MONDAY, end=MONDAY).state == "SUCCESS"
    assert sync_daily_bars(bench.context, start=FRIDAY, end=FRIDAY).state == "SUCCESS"
    assert held(bench, FRIDAY) != wrong
    assert bench.rows("SELECT * FROM quarantine WHERE released_at IS NULL") == []


def test_rows_that_changed_places_are_pointed_at_but_not_an_ex_date(bench: Any) -> None:
    def swapped(fetch: Callable[[date], Any], session: date) -> Any:
        parsed = fetch(session)
        to = {"2330": "2317", "2317": "2330"}
        return replace(parsed, rows=tuple(replace(bar, symbol=to.get(bar.symbol, bar.symbol)) for bar in parsed.rows))

    spoilt = replace(bench.context, client=Other(bench.context.client, swapped))
    sync_daily_bars(bench.context, start=THURSDAY, end=THURSDAY)
    with transaction(bench.engine) as connection:
        action = CorporateAction("2317", FRIDAY, ActionKind.DIVIDEND, 8_500_000, 8_000_000)
        write_actions(connection, [action], period=(FRIDAY, FRIDAY), source="x", run_id=None, at=NOW)
    report = sync_daily_bars(spoilt, start=FRIDAY, end=FRIDAY)
    assert (report.state, report.counts.quarantined) == ("SUCCESS", 0)
    found = bench.rows("SELECT symbol, session, rule, severity FROM quarantine WHERE rule = 'previous-close'")
    assert found == [("2330", FRIDAY, "previous-close", "warning")]
    sync_daily_bars(bench.context, start=FRIDAY, end=FRIDAY)
    assert bench.rows("SELECT decision FROM quarantine WHERE rule = 'previous-close'") == [("mended",)]
