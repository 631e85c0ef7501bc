"""The arrays say of every bar what the exact factors of its security say."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from app.export.factor_panel import factor_panel
from app.market.adjustment import Adjustment, Direction, Factors, Method, factors_of
from app.market.corporate_action import ActionKind, CorporateAction

DAY = date(2025, 1, 1)
prices = st.integers(1, 2**31 - 1)
days = st.integers(0, 30).map(lambda n: DAY + timedelta(days=n))
actions = st.builds(
    CorporateAction, st.just("2330"), days, st.sampled_from([*ActionKind]), prices, prices, st.none() | prices
)
adjustments = st.builds(Adjustment, st.sampled_from(Direction), st.sampled_from(Method))


def test_without_any_action_every_factor_is_one() -> None:
    assert factor_panel({}).factors_at(np.array([1, 2]), np.array([1, 2])).tolist() == [1, 1]
    assert len(factor_panel({7: Factors()}).keys) == 0


@given(ledger=st.dictionaries(st.integers(2, 6), st.lists(actions, max_size=8)), adjustment=adjustments)
def test_the_panel_is_the_same_for_every_bar(ledger: dict[int, list[CorporateAction]], adjustment: Adjustment) -> None:
    each = {security_id: factors_of(of_one, adjustment) for security_id, of_one in ledger.items()}
    bars = [(security_id, DAY + timedelta(days=n)) for n in range(-2, 33) for security_id in range(1, 8)]
    found = factor_panel(each).factors_at(
        np.array([one for one, _ in bars], np.int64), np.array([day.toordinal() for _, day in bars], np.int64)
    )
    assert found.tolist() == [float(each.get(one, Factors()).factor_on(day)) for one, day in bars]
