"""Bars beside the session before and the one after: what honest days of the real market look like, and stale ones."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from app.market.bar import ABSENT, Bar
from app.market.bar_table import BarTable
from app.market.calendar import TradingCalendar
from app.market.continuity import Beside, Comparison, compare, sessions_beside

THURSDAY, FRIDAY = date(2026, 11, 19), date(2026, 11, 20)


def bar(symbol: str, close: int | None, change: int | None = 0) -> Bar:
    return Bar(symbol, FRIDAY, close=close, change=change)


def beside(bars: list[Bar], session: date, before: bool, prices: dict[str, int]) -> Comparison:
    """*bars* held against *prices* by symbol."""
    held = np.array([prices.get(one.symbol, ABSENT) for one in bars], np.int64)
    return compare(BarTable.of(bars), Beside(session, before, held))


def test_what_goes_on_where_the_session_before_ended_and_what_does_not() -> None:
    bars = [bar("1101", 105, 5), bar("1102", 105, 4), bar("1103", 105, None), bar("1104", None), bar("1105", 9)]
    found = beside(bars, THURSDAY, True, {"1101": 100, "1102": 100, "1103": 1, "1104": 1})
    assert ({*found.broken}, found.compared) == ({1}, 2)
    assert found.broken[1].rule == "previous-close"
    assert found.broken[1].reason == "Close − change is 0.0101, but 2026-11-19 closed at 0.01."


def test_what_the_session_after_says() -> None:
    bars = [bar("1101", 100, None), bar("1102", 100, 7), bar("1103", None)]
    found = beside(bars, date(2026, 11, 23), False, {"1101": 100, "1102": 101, "1103": 5})
    assert ({*found.broken}, found.compared) == ({1}, 2)


@pytest.mark.parametrize(
    ("broken", "of", "doubts", "vouches"),
    [(0, 10, False, False), (10, 10, False, False), (0, 11, False, True), (11, 11, True, False), (20, 100, False, True),
     (21, 100, True, False)],
)  # fmt: skip
def test_when_the_reply_is_in_doubt(broken: int, of: int, doubts: bool, vouches: bool) -> None:
    bars = [bar(str(1000 + n), 100, 1 if n < broken else 0) for n in range(of)]
    found = beside(bars, THURSDAY, True, {one.symbol: 100 for one in bars})
    assert (found.doubts, found.vouches) == (doubts, vouches)


@pytest.mark.parametrize(
    ("day", "before", "after"),
    [
        (FRIDAY, THURSDAY, date(2026, 11, 23)),
        (date(2024, 2, 5), date(2024, 2, 2), date(2024, 2, 15)),  # New Year's
        (date(2024, 10, 30), date(2024, 10, 29), date(2024, 11, 1)),  # a typhoon that the table of closures has
        (date(2012, 3, 5), date(2012, 3, 3), date(2012, 3, 6)),  # a Saturday on which there may have been a session
    ],
)
def test_the_sessions_beside_a_day(day: date, before: date, after: date) -> None:
    assert sessions_beside(day, TradingCalendar()) == (before, after)


def test_a_day_of_which_only_the_exchange_says_that_it_was_closed_is_not_stepped_over() -> None:
    said = TradingCalendar({THURSDAY: False, date(2026, 11, 21): True})
    assert sessions_beside(FRIDAY, said) == (THURSDAY, date(2026, 11, 21))


@pytest.fixture(scope="module")
def market(shared_data: Path) -> dict[date, list[Bar]]:
    """Three pairs of sessions of the panel: its two worst honest days, and that on which the fewest prices moved."""
    wanted = [date(2023, 7, 12), date(2023, 7, 13), date(2023, 8, 2), date(2023, 8, 4), date(2023, 9, 26), QUIET]
    panel = (
        pl.read_parquet(shared_data / "panels/twse_daily_2023-03_2024-07.parquet")
        .select(
            pl.col("code").cast(pl.String),
            pl.col("Date").cast(pl.Date),
            *((pl.col(name) * 10_000).round().cast(pl.Int64) for name in ("Close", "Change")),
        )
        .filter(pl.col("Date").is_in(wanted))
    )
    return {
        day: [Bar(code, day, close=close, change=change) for code, _, close, change in rows.iter_rows()]
        for (day,), rows in panel.group_by("Date")
        if isinstance(day, date)
    }


QUIET = date(2023, 9, 27)


@pytest.mark.needs_shared
@pytest.mark.parametrize(
    ("day", "before"),
    [(date(2023, 7, 13), date(2023, 7, 12)), (date(2023, 8, 4), date(2023, 8, 2)), (QUIET, date(2023, 9, 26))],
)
def test_honest_days_of_the_real_market_pass_and_stale_ones_do_not(
    market: dict[date, list[Bar]], day: date, before: date
) -> None:
    closes = {one.symbol: one.close for one in market[before] if one.close is not None}
    honest = beside(market[day], before, True, closes)
    assert honest.vouches
    assert len(honest.broken) < 0.05 * honest.compared
    stale = [replace(one, session=day) for one in market[before]]
    found = beside(stale, before, True, closes)
    assert found.doubts
    assert len(found.broken) > 0.8 * found.compared
