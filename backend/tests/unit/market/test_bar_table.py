"""Bars by column are the same bars: whatever is taken from a table is what was put in."""

from __future__ import annotations

from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from app.market.bar import Bar
from app.market.bar_table import BarTable, sessions_of, symbols_of

DAY = date(2026, 11, 20)
PRICES, COUNTS = st.integers(1, 2**31 - 1) | st.none(), st.integers(0, 2**63 - 1) | st.none()
BARS = st.lists(
    st.builds(
        Bar,
        st.from_regex("[0-9]{4}", fullmatch=True),
        st.just(DAY),
        *[PRICES] * 4,
        st.integers(-(2**31) + 1, 2**31 - 1) | st.none(),
        COUNTS,
        COUNTS,
        st.integers(0, 2**31 - 1) | st.none(),
    ),
    min_size=1,
)


@given(BARS, st.integers(-3, 5), st.sets(st.sampled_from(["1101", "0000", "9999"])))
def test_columns_hold_the_same_bars(bars: list[Bar], cut: int, out: set[str]) -> None:
    table = BarTable.of(bars)
    assert [*table] == bars
    assert [*table[cut:]] == bars[cut:]
    assert table[-1] == bars[-1]
    out |= {bars[0].symbol}
    assert [*table.without(out)] == [bar for bar in bars if bar.symbol not in out]
    assert (sessions_of(table), symbols_of(table)) == ({DAY}, [bar.symbol for bar in bars])
    assert sessions_of(table.without({bar.symbol for bar in bars})) == set()
    assert BarTable.of(table) is table
    assert table == BarTable.of(tuple(bars))
