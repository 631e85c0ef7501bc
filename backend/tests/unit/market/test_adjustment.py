"""Factors against arithmetic by hand, the exchanges' own numbers, and what must hold whatever happened."""

from __future__ import annotations

from datetime import date, timedelta
from fractions import Fraction
from itertools import groupby, pairwise
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.market.adjustment import Adjustment, Direction, Factors, Method, factors_of
from app.market.bar import to_price
from app.market.corporate_action import ActionKind, CorporateAction

DAY = date(2025, 1, 1)
BACK, FORWARD = Adjustment(Direction.BACK), Adjustment(Direction.FORWARD)
SPLIT_ONLY = Adjustment(Direction.BACK, Method.SPLIT_ONLY)


def action(
    ex_date: date, previous: str, reference: str, kind: ActionKind = ActionKind.DIVIDEND, cash: str | None = None
) -> CorporateAction:
    return CorporateAction(
        "2330", ex_date, kind, to_price(previous), to_price(reference), None if cash is None else to_price(cash)
    )


# As published: TWTCAU, TWTB8U and TWTAUU (design/ENDPOINTS.md §6).
REAL = [
    (action(date(2025, 6, 18), "188.65", "47.16", ActionKind.SPLIT), Fraction(18865, 4716)),
    (action(date(2025, 8, 25), "546.00", "136.50", ActionKind.PAR_CHANGE), Fraction(4)),
    (action(date(2025, 10, 7), "30.15", "34.57", ActionKind.REDUCTION), Fraction(3015, 3457)),
]


@pytest.mark.parametrize(("one", "times"), REAL, ids=["0050 1:4", "2327 1:4", "2352 reduction"])
@pytest.mark.parametrize("method", Method)
def test_a_real_action_joins_the_two_sides_of_its_day(one: CorporateAction, times: Fraction, method: Method) -> None:
    before, after = one.ex_date - timedelta(days=1), one.ex_date
    back = factors_of([one], Adjustment(Direction.BACK, method))
    assert (back.factor_on(before), back.factor_on(after)) == (1 / times, Fraction(1))
    assert one.previous_close * back.factor_on(before) == one.reference_price
    forward = factors_of([one], Adjustment(Direction.FORWARD, method))
    assert (forward.factor_on(before), forward.factor_on(after)) == (Fraction(1), times)


def test_a_dividend_and_a_split_by_hand() -> None:
    """100 pays 5 in cash, later one share becomes two: 100 of old is 47.5 of new, 50 without the cash."""
    actions = [
        action(date(2025, 3, 3), "100", "95"),
        action(date(2025, 6, 2), "90", "45", ActionKind.SPLIT),
    ]
    factors = factors_of(actions)
    days = [date(2025, 3, 2), date(2025, 3, 3), date(2025, 6, 1), date(2025, 6, 2)]
    assert [float(factors.factor_on(day)) for day in days] == [0.475, 0.5, 0.5, 1]
    assert [float(factors_of(actions, FORWARD).factor_on(day)) for day in days] == [1, 100 / 95, 100 / 95, 200 / 95]
    assert [float(factors_of(actions, SPLIT_ONLY).factor_on(day)) for day in days] == [0.5, 0.5, 0.5, 1]


def test_of_cash_and_shares_on_one_day_the_cash_can_be_left_out() -> None:
    """100 pays 10 in cash and a share for each two: (100 - 10) / 1.5 = 60, of which 90 -> 60 is the shares' part."""
    both = action(DAY, "100", "60", ActionKind.DIVIDEND_AND_RIGHTS, cash="90")
    day_before = DAY - timedelta(days=1)
    assert factors_of([both]).factor_on(day_before) == Fraction(6, 10)
    assert factors_of([both], SPLIT_ONLY).factor_on(day_before) == Fraction(2, 3)


def test_several_actions_of_one_day_multiply() -> None:
    same_day = [action(DAY, "100", "90"), action(DAY, "90", "45", ActionKind.PAR_CHANGE)]
    assert factors_of(same_day).ex_dates == (DAY,)
    assert factors_of(same_day).factor_on(DAY - timedelta(days=1)) == Fraction(45, 100)


def test_nothing_happened() -> None:
    assert factors_of([]) == Factors()
    assert factors_of([]).factor_on(DAY) == 1


@pytest.mark.parametrize("adjustment", [BACK, FORWARD])
def test_what_lies_outside_of_the_bars_does_not_count(adjustment: Adjustment) -> None:
    first, last = DAY, DAY + timedelta(days=10)
    outside = [action(day, "100", "50") for day in (DAY - timedelta(days=3), first, last + timedelta(days=1))]
    inside = action(last, "10", "9")
    assert factors_of([*outside, inside], adjustment, first=first, last=last) == factors_of([inside], adjustment)


# TWTAUU of 2024, as captured (node-twstock, twse-stocks-capital-reductions.json).
REDUCTIONS_2024 = [
    ("3432", action(date(2024, 1, 22), "10.65", "19.69", ActionKind.REDUCTION)),
    ("2911", action(date(2024, 3, 11), "6.23", "8.65", ActionKind.REDUCTION)),
    ("3308", action(date(2024, 4, 1), "28.20", "31.26", ActionKind.REDUCTION)),
]


@pytest.mark.parametrize(("symbol", "one"), REDUCTIONS_2024, ids=[symbol for symbol, _ in REDUCTIONS_2024])
def test_adjusted_real_closes_keep_within_the_days_limit(shared_data: Path, symbol: str, one: CorporateAction) -> None:
    """Sixteen months of real, unadjusted closes; the dividends in between were not captured, hence 11 % and not 10."""
    panel = pl.scan_parquet(shared_data / "panels/twse_daily_2023-03_2024-07.parquet")
    own = panel.filter(pl.col("code").cast(pl.String) == symbol, pl.col("Close") > 0).sort("Date").collect()
    closes = dict(zip(own["Date"].dt.date(), own["Close"], strict=True))
    days = sorted(closes)
    before = max(day for day in days if day < one.ex_date)
    assert to_price(str(closes[before])) == one.previous_close
    for direction in Direction:
        factors = factors_of([one], Adjustment(direction), first=days[0], last=days[-1])
        series = [closes[day] * float(factors.factor_on(day)) for day in days]
        raw_end = -1 if direction is Direction.BACK else 0
        assert series[raw_end] == closes[days[raw_end]]
        assert max(abs(now / then - 1) for then, now in pairwise(series)) < 0.11
    raw_step = closes[one.ex_date] / closes[before] - 1
    assert abs(raw_step - (float(one.ratio) - 1)) < 0.101 * float(one.ratio)


prices = st.integers(1, 2**31 - 1)


@st.composite
def actions_of_one(draw: st.DrawFn) -> list[CorporateAction]:
    kinds = st.sampled_from([*ActionKind])
    days = st.integers(0, 30).map(lambda n: DAY + timedelta(days=n))
    cash = st.none() | prices
    return draw(st.lists(st.builds(CorporateAction, st.just("2330"), days, kinds, prices, prices, cash), max_size=8))


adjustments = st.builds(Adjustment, st.sampled_from(Direction), st.sampled_from(Method))


@given(actions=actions_of_one(), direction=st.sampled_from(Direction))
def test_continuous_across_each_action(actions: list[CorporateAction], direction: Direction) -> None:
    """A close before is worth what the reference prices made of it, action by action."""
    factors = factors_of(actions, Adjustment(direction))
    by_day = sorted(actions, key=lambda one: one.ex_date)
    for day, of_day in groupby(by_day, key=lambda one: one.ex_date):
        value = Fraction(1)
        for one in of_day:
            value = value * one.reference_price / one.previous_close
        assert factors.factor_on(day - timedelta(days=1)) == value * factors.factor_on(day)


@given(actions=actions_of_one(), adjustment=adjustments)
def test_one_end_is_raw_and_nothing_changes_between_actions(
    actions: list[CorporateAction], adjustment: Adjustment
) -> None:
    factors = factors_of(actions, adjustment)
    raw = DAY + timedelta(days=40) if adjustment.direction is Direction.BACK else DAY - timedelta(days=40)
    assert factors.factor_on(raw) == 1
    assert all(value > 0 for value in factors.values)
    days = {one.ex_date for one in actions}
    for offset in range(-2, 33):
        day = DAY + timedelta(days=offset)
        if day not in days:
            assert factors.factor_on(day) == factors.factor_on(day - timedelta(days=1))


@given(actions=actions_of_one(), method=st.sampled_from(Method))
def test_the_directions_differ_by_a_constant(actions: list[CorporateAction], method: Method) -> None:
    back = factors_of(actions, Adjustment(Direction.BACK, method))
    forward = factors_of(actions, Adjustment(Direction.FORWARD, method))
    days = [DAY + timedelta(days=offset) for offset in range(-1, 32)]
    assert len({forward.factor_on(day) / back.factor_on(day) for day in days}) == 1


@given(actions=actions_of_one(), adjustment=adjustments, data=st.data())
def test_the_order_of_the_ledger_does_not_matter(
    actions: list[CorporateAction], adjustment: Adjustment, data: st.DataObject
) -> None:
    assert factors_of(data.draw(st.permutations(actions)), adjustment) == factors_of(actions, adjustment)


@given(actions=actions_of_one(), direction=st.sampled_from(Direction))
def test_split_only_does_not_see_dividends(actions: list[CorporateAction], direction: Direction) -> None:
    others = [one for one in actions if one.kind is not ActionKind.DIVIDEND]
    split_only = Adjustment(direction, Method.SPLIT_ONLY)
    assert factors_of(actions, split_only) == factors_of(others, split_only)
