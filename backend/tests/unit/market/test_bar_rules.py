"""Each rule on bars: what breaks it, what only looks like it, and the real market, of which no bar is condemned."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.market.bar import Bar
from app.market.bar_rules import Facts, broken_by, session_fault
from app.market.bar_screen import suspects
from app.market.bar_table import BarTable
from app.market.calendar import is_session
from app.market.limits import limit_percent
from app.market.quality import RULES, Severity
from app.market.security import SecurityKind
from app.sources.base import SessionQuery
from app.sources.tpex.daily_bars import DailyBars as TpexDailyBars
from app.sources.twse.daily_bars import DailyBars as TwseDailyBars

DAY = date(2024, 5, 2)
SHARE = Facts(SecurityKind.STOCK, percent=10)
GOOD = Bar("2330", DAY, 7_850_000, 7_900_000, 7_800_000, 7_860_000, 60_000, 1_000, 785_000, 3)


def rules(bar: Bar, facts: Facts = SHARE) -> list[str]:
    return [one.rule for one in broken_by(bar, facts)]


def with_(**values: int | None) -> Bar:
    return replace(GOOD, **values)


def test_a_good_bar_breaks_nothing() -> None:
    assert rules(GOOD) == []
    assert rules(replace(GOOD, open=None, high=None, low=None, close=None, change=None)) == []


@pytest.mark.parametrize(
    ("values", "rule"),
    [
        ({"open": 7_910_000}, "ohlc-order"),
        ({"open": 7_790_000}, "ohlc-order"),
        ({"close": 7_910_000, "change": 110_000}, "ohlc-order"),
        ({"low": 7_910_000}, "ohlc-order"),
        ({"close": 7_861_000}, "tick-size"),  # a step of 1 TWD from 500 TWD on
        ({"high": 7_900_100}, "tick-size"),
        ({"change": -1_140_000}, "price-limit"),  # of 900: down to 810 at the lowest
        ({"change": 760_000}, "price-limit"),  # of 710: up to 781 at the highest
        ({"change": 7_860_000}, "price-limit"),
        ({"volume": 1}, "volume-unit"),  # lots
        ({"turnover": 785}, "volume-unit"),  # thousands of TWD
        ({"volume": 0}, "volume-unit"),
        ({"turnover": 0}, "volume-unit"),
        ({"turnover": 1_000_000}, "turnover-range"),
        ({"turnover": 600_000}, "turnover-range"),
    ],
)
def test_a_bar_that_breaks_a_rule(values: dict[str, int], rule: str) -> None:
    found = broken_by(with_(**values), SHARE)
    assert [one.rule for one in found] == [rule]
    assert found[0].reason.endswith(".")
    assert rule in RULES


@pytest.mark.parametrize(
    "values",
    [
        {"change": None},  # not comparable: no reference but the ledger's
        {"high": 8_580_000, "close": 8_580_000, "change": 780_000, "turnover": None},  # 780 → 858: at the limit
        {"low": 7_080_000, "open": 7_080_000, "change": 0, "turnover": 708_000},  # 786 → 708: 707.4 rounded inward
        {"volume": None},
        {"turnover": None},
        {"turnover": 660_000},  # block trades at the other end of the limits
        {"volume": 0, "turnover": 0},
    ],
)
def test_a_bar_that_looks_odd_and_breaks_none(values: dict[str, int | None]) -> None:
    assert rules(with_(**values)) == []


def test_limits_follow_the_facts() -> None:
    far = with_(change=-1_140_000)
    assert rules(far, Facts(SecurityKind.STOCK)) == []
    assert rules(with_(change=None), replace(SHARE, reference=9_000_000)) == ["price-limit"]
    assert rules(with_(change=None), replace(SHARE, reference=7_800_000)) == []
    assert rules(with_(change=600_000), Facts(SecurityKind.STOCK, percent=7)) == ["price-limit"]
    assert limit_percent("2330", SecurityKind.STOCK, session=date(2015, 5, 29)) == 7
    assert limit_percent("2330", SecurityKind.STOCK, session=date(2015, 6, 1)) == 10


def test_a_penny_stock_may_move_by_a_tick() -> None:
    bar = Bar("1234", DAY, 600, 600, 600, 600, 100, 1_000, 60, 1)  # 0.05 → 0.06, which is +20 %
    assert rules(bar) == []
    assert rules(replace(bar, change=200)) == ["price-limit"]  # 0.04 → 0.06


def test_ticks_depend_on_the_kind_and_are_not_judged_where_it_is_unknown() -> None:
    fund = Bar("0050", DAY, 411_800, 412_000, 411_700, 411_900, None, 1_000, 41_180, 1)
    assert rules(fund, Facts(SecurityKind.ETF)) == []
    assert rules(fund, Facts(SecurityKind.STOCK)) == ["tick-size"]
    assert rules(fund, Facts()) == []
    assert rules(replace(fund, turnover=None), Facts(SecurityKind.STOCK)) == [], "not as a venue printed it"


def test_what_a_source_rounds_off_is_no_fault() -> None:
    """TPEx's month history: 1,400 shares are 1 lot, 1,099,000 TWD are 1,099 thousands."""
    lots = with_(volume=1_000, turnover=1_099_000)
    assert rules(lots) == ["turnover-range"]
    assert rules(lots, replace(SHARE, volume_step=1_000, turnover_step=1_000)) == []
    assert rules(with_(volume=0, turnover=0), replace(SHARE, volume_step=1_000, turnover_step=1_000)) == []
    assert rules(with_(volume=1_000, turnover=785_000_000), replace(SHARE, volume_step=1_000)) == ["volume-unit"]


def test_a_row_may_break_several_rules() -> None:
    assert rules(with_(open=7_910_500, volume=1)) == ["ohlc-order", "tick-size", "volume-unit"]


def test_sessions() -> None:
    assert session_fault(DAY, today=DAY, is_session=True) is None
    assert "was no session" in (session_fault(DAY, today=DAY, is_session=False) or "")
    assert "lies in the future" in (session_fault(DAY, today=date(2024, 5, 1), is_session=True) or "")


prices = st.integers(1, 2**31 - 1)


@given(prices, prices, prices, prices)
def test_order_by_definition(opened: int, high: int, low: int, close: int) -> None:
    bar = Bar("2330", DAY, opened, high, low, close)
    sound = low == min(opened, high, low, close) and high == max(opened, high, low, close)
    assert ("ohlc-order" in rules(bar)) == (not sound)


@given(st.integers(1, 10_000), st.integers(1, 10**9), st.floats(0.81, 1.24))
def test_turnover_near_its_price_is_fine_and_in_lots_is_not(price: int, volume: int, off: float) -> None:
    turnover = max(1, round(price * volume * off))
    bar = Bar("2330", DAY, *[price * 10_000] * 4, None, volume, turnover, 1)
    if abs(turnover / volume - price * off) < price * 0.005:  # not where whole TWD are too coarse to tell
        assert [rule for rule in rules(bar, Facts()) if rule != "ohlc-order"] == []
        for wrong in (replace(bar, turnover=turnover * 1_000), replace(bar, volume=volume * 1_000)):
            assert rules(wrong, Facts()) == ["volume-unit"]


near = st.integers(90, 110).map(lambda cents: cents * 1_000) | st.sampled_from([99_900, 100_500, 500, 10_000_500])


@given(st.tuples(near, near, near, near), near | st.none(), st.integers(0, 3), st.integers(0, 40), st.data())
def test_the_look_at_columns_never_overlooks_what_a_judge_sees(
    four: tuple[int, int, int, int], change: int | None, volume: int, turnover: int, data: st.DataObject
) -> None:
    kind = data.draw(st.sampled_from([None, SecurityKind.STOCK, SecurityKind.ETF]))
    facts = Facts(kind, data.draw(st.sampled_from([None, 7, 10])), data.draw(near | st.none()))
    prices = sorted(four) if data.draw(st.booleans()) else list(four)
    opened, high, low, close = prices[1], prices[3], prices[0], prices[2]
    bar = Bar("2330", DAY, opened, high, low, close, None if change is None else close - change, volume, turnover, 1)
    found = suspects(BarTable.of([GOOD, bar, GOOD]), [SHARE, facts, SHARE])
    assert set(found) <= {1}
    assert found or not broken_by(bar, facts)


whole = st.integers(0, 2**63 - 1) | st.none()


@given(
    st.tuples(prices, prices, prices, prices), st.integers(-(2**31) + 1, 2**31 - 1), whole, whole, prices | st.none()
)
def test_whatever_the_store_can_hold_is_judged_in_a_sentence(
    four: tuple[int, int, int, int], change: int, volume: int | None, turnover: int | None, reference: int | None
) -> None:
    bar = Bar("2330", DAY, *four, change, volume, turnover, 1)
    for facts in (Facts(), replace(SHARE, reference=reference), replace(SHARE, volume_step=1_000, turnover_step=1_000)):
        for odd in (bar, replace(bar, change=None)):
            found = broken_by(odd, facts)
            assert not found or suspects(BarTable.of([odd]), [facts]) == [0]
            for one in found:
                assert one.rule in RULES
                assert one.reason.endswith(".")
                assert len(one.reason) < 300


@pytest.mark.needs_shared
def test_a_good_panel_breaks_no_blocking_rule(shared_data: Path) -> None:
    """306,232 bars of TWSE's shares. The 39 warnings are of first sessions, and of days that lost their X."""
    panel = pl.read_parquet(shared_data / "panels/twse_daily_2023-03_2024-07.parquet")
    scaled = [(pl.col(name) * 10_000).round().cast(pl.Int64) for name in ("Open", "High", "Low", "Close", "Change")]
    names = [pl.col("code").cast(pl.String), pl.col("Date").cast(pl.Date)]
    rows = panel.select(*names, *scaled, "Capacity", "Turnover", "Transaction").iter_rows()
    found = [(bar, one.rule) for bar in (Bar(*row) for row in rows) for one in broken_by(bar, SHARE)]
    assert len(panel) == 306_232
    assert Counter(rule for _, rule in found) == {"price-limit": 39}
    assert RULES["price-limit"].severity is Severity.WARNING
    assert sum(bar.change == 0 for bar, _ in found) == 25
    assert all(is_session(day) for day in panel["Date"].cast(pl.Date).unique())


@pytest.mark.needs_shared
@pytest.mark.parametrize(
    ("dataset", "name", "bars"),
    [(TwseDailyBars(), "twse-stocks-historical.json", 1_182), (TpexDailyBars(), "tpex-stocks-historical.json", 908)],
)
def test_a_whole_day_of_every_kind_breaks_no_rule(
    shared_data: Path, dataset: TwseDailyBars | TpexDailyBars, name: str, bars: int
) -> None:
    kinds = _kinds(shared_data)
    session = date(2023, 1, 30)
    parsed = dataset.parse((shared_data / "node-twstock" / name).read_bytes(), SessionQuery(session))
    assert len(parsed.rows) == bars
    limited = {SecurityKind.STOCK, SecurityKind.PREFERRED, SecurityKind.TDR}
    for bar in parsed.rows:
        kind = kinds.get(bar.symbol)
        assert rules(bar, Facts(kind, 10 if kind in limited else None)) == [], bar


def _kinds(shared_data: Path) -> dict[str, SecurityKind]:
    """Symbol → kind, from the exchanges' lists of 2026."""
    words = {"股票": SecurityKind.STOCK, "特別股": SecurityKind.PREFERRED, "ETF": SecurityKind.ETF}
    words |= {
        "ETN": SecurityKind.ETN,
        "臺灣存託憑證(TDR)": SecurityKind.TDR,
        "受益證券-不動產投資信託": SecurityKind.REIT,
    }
    lists = [
        pl.read_csv(path, infer_schema=False)
        for path in sorted((shared_data / "twstock-1.5.1").glob("*_equities.csv.gz"))
    ]
    assert len(lists) == 2
    return {
        row["code"]: words[row["type"]]
        for table in lists
        for row in table.iter_rows(named=True)
        if row["type"] in words
    }


@pytest.mark.needs_shared
def test_each_dirty_bar_of_the_dirty_panel_is_caught_and_no_other(shared_data: Path) -> None:
    """223 out of order; the 8 zero closes never become bars, for a zero is no price: test_gate.py has them."""
    panel = pl.read_parquet(shared_data / "panels/whole_market_daily_2024-12_2026-08.parquet")
    assert len(panel) == 725_951
    names = ("Open", "High", "Low", "Close")
    cents = [(pl.col(name).cast(pl.Float64) * 100).round().cast(pl.Int64) for name in names]
    panel = panel.select(pl.col("code").cast(pl.String), pl.col("Date").cast(pl.Date), *cents, "Volume")
    dirty = panel.filter(
        (pl.max_horizontal("Open", "Close", "Low") > pl.col("High"))
        | (pl.min_horizontal("Open", "Close") < pl.col("Low"))
    )
    zero = panel.filter(pl.col("Close") == 0)
    assert (len(dirty), len(zero)) == (223, 8)
    caught = {
        (code, session)
        for code, session, opened, high, low, close, volume in panel.filter(pl.col("Close") > 0).iter_rows()
        if broken_by(Bar(code, session, opened * 100, high * 100, low * 100, close * 100, volume=volume), SHARE)
    }
    assert caught == set(dirty.select("code", "Date").iter_rows())
