"""The text of a raw bar, written at once, is what exact decimals say: up to the largest price that there can be."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal

from hypothesis import example, given
from hypothesis import strategies as st

from app.api.bars import BarRow, _raw_row
from app.market.bar import BAR_FIELDS, MAX_PRICE

price = st.integers(1, MAX_PRICE)
change = st.integers(-MAX_PRICE, MAX_PRICE)
amount = st.none() | st.integers(0, 2**63 - 1)
count = st.none() | st.integers(0, 2**31 - 1)
whole = st.tuples(price, price, price, price, change, amount, amount, count)
absent = st.tuples(*[st.none() | price] * 4, st.none() | change, amount, amount, count)


@given(values=whole | absent)
@example(values=(MAX_PRICE, 1, 10, 100, -MAX_PRICE, 0, 2**63 - 1, 0))
@example(values=(100_000_0000, 10_000, 100_000, 1_000_000, 0, None, None, None))
def test_a_raw_row_is_exact(values: tuple[int | None, ...]) -> None:
    row = BarRow.model_validate_json(_raw_row((date(2026, 11, 20), *values)))  # type: ignore[arg-type]
    assert (row.session, row.applied_factor) == (date(2026, 11, 20), 1)
    for name, value in zip(BAR_FIELDS, values, strict=True):
        found = getattr(row, name)
        if isinstance(found, str):
            assert value is not None
            assert Decimal(found) == Decimal(value) / 10_000
            assert "e" not in found.lower()
            assert found == "0" or not found.endswith((".0", "."))
        else:
            assert found == value
    assert set(json.loads(_raw_row((date(2026, 11, 20), *values)))) == set(BarRow.model_fields)  # type: ignore[arg-type]
