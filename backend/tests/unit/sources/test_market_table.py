"""Whole columns read as rows one by one do: the rows are read here in the plain way, whatever stands in them."""

from __future__ import annotations

from datetime import date
from itertools import chain
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from app.errors import InvalidRow
from app.market.bar import ABSENT, BAR_FIELDS, Bar
from app.sources import parsing
from app.sources.bars import bar, bar_key, unless_warrant
from app.sources.base import Parsed
from app.sources.market_table import BarLayout, read_market
from app.sources.rows import Row, Table, read_with_cells, table_rows

DAY = date(2023, 1, 30)
FIELDS = ["代號", "名稱", "開盤", "最高", "最低", "收盤", "漲跌", "股數", "金額", "筆數"]
LAYOUT = BarLayout(
    symbol="代號",
    prices=("開盤", "最高", "最低", "收盤"),
    change=("漲跌",),
    read_change=parsing.change,
    volume="股數",
    turnover="金額",
    trades="筆數",
)

PRICES = st.sampled_from(["10.00", "10.5", "1,050.00", "9.95", "214748.3647"])
COUNTS = st.sampled_from(["0", "7", "1,234", "1234567", "57,000,000,000", "007", "999999999999999999"])
CHANGES = st.sampled_from(["0.00", "+1.5", "-1.5 ", "X0.00", "除息", "除權息", "---", ""])
ODD = st.one_of(
    st.sampled_from(["", "--", "---", " ", "X", "-1", "+1", "-0", "1,23", "１２", "٣", "1\n2", "12\n", "\u30001 "]),
    st.sampled_from(["1_0", "0.00", "nan", "2147483648", "9223372036854775808", "0" * 40, "0" * 41, "\0", "\ud800"]),
    st.sampled_from([None, True, float("nan"), [], {}, ["1"]]),
)
SYMBOLS = st.sampled_from(["2330", "0050", " 2317 ", "00625K", "030012", "70012U", "2330.TW", "２３３０", "台積電"])


def lines() -> st.SearchStrategy[list[Any]]:
    """Mostly sound lines, with a cell of any column replaced here and there, and what is no line at all."""

    def line(symbol: str, four: list[str], change: str, counts: list[str], odd: dict[int, Any]) -> list[Any]:
        cells: list[Any] = [symbol, "台積電", *four, change, *counts]
        for place, value in odd.items():
            cells[place] = value
        return cells

    four = st.lists(PRICES, min_size=4, max_size=4) | st.just(["--"] * 4) | st.just(["---", "", " -- ", "-"])
    odd = st.just({}) | st.dictionaries(st.integers(0, 9), ODD, max_size=2)
    own = st.sampled_from([f"{number}" for number in range(1101, 1199)]) | SYMBOLS
    sound = st.builds(line, own, four, CHANGES, st.lists(COUNTS, min_size=3, max_size=3), odd)
    return st.lists(sound | sound.map(lambda cells: cells[:9]) | st.just("2330"), max_size=1) | st.lists(sound)


def plainly(tables: list[tuple[list[str], list[Any]]]) -> tuple[Any, Any, Any]:
    def read(row: Row, symbol: str) -> Bar:
        return bar(
            symbol,
            DAY,
            prices=(row["開盤"], row["最高"], row["最低"], row["收盤"]),
            change=parsing.change(row["漲跌"]),
            volume=parsing.integer(row["股數"]),
            turnover=parsing.integer(row["金額"]),
            trades=parsing.integer(row["筆數"]),
        )

    rows = chain(*(table_rows(fields, some, LAYOUT.columns, site="tpex") for fields, some in tables))
    return read_with_cells(rows, unless_warrant("代號", read), key=bar_key, symbol="代號", session=DAY)


def by_market(tables: list[tuple[list[str], list[Any]]]) -> Parsed[Bar]:
    return read_market([Table(*one, LAYOUT.columns, site="tpex") for one in tables], LAYOUT, DAY)


GOOD = ["2330", "台積電", "10.00", "10.50", "9.95", "10.5", "+0.5", "1,000", "10,000", "7"]


@given(lines(), lines(), st.booleans())
@example([GOOD, ["1101", *GOOD[1:9], "2,147,483,648"]], [], False)
@example([GOOD], [["030012", *GOOD[1:9], None]], True)
def test_both_ways_read_the_same(first: list[Any], second: list[Any], turned: bool) -> None:
    """Of two tables, whose columns may stand in another order."""
    if turned:
        second = [line[::-1] if isinstance(line, list) else line for line in second]
    tables = [(FIELDS, first), (FIELDS[::-1] if turned else FIELDS, second)]
    parsed = by_market(tables)
    rows, cells, rejected = plainly(tables)
    assert (tuple(parsed.rows), parsed.rejected) == (rows, rejected)
    assert list(map(dict, parsed.cells)) == list(map(dict, cells))
    assert parsed.fields == frozenset(BAR_FIELDS)


def test_rows_of_a_sound_table_are_made_when_they_are_looked_at() -> None:
    other = ["1101", "亞泥\0", *["--"] * 4, "除息", "0", "0", "0"]
    parsed = by_market([(FIELDS, [["030012", *GOOD[1:]], GOOD]), (FIELDS, [other])])
    assert tuple(parsed.rows) == (
        Bar("2330", DAY, 100_000, 105_000, 99_500, 105_000, 5_000, 1_000, 10_000, 7),
        Bar("1101", DAY, volume=0, turnover=0, trades=0),
    )
    assert [row["代號"] for row in parsed.cells] == ["2330", "1101"]
    assert [row["名稱"] for row in parsed.cells[1:]] == ["亞泥\ufffd"]  # fit for the store, as any cell


def rule_or(read: Any) -> Any:
    try:
        return read()
    except InvalidRow as error:
        return error.rule, str(error)


def plain(read: Any, texts: list[str]) -> list[int]:
    return [ABSENT if (value := read(text)) is None else value for text in texts]


ODD_COUNTS = st.sampled_from(["--", "", " 7", "1\n2", "-1", "1,23", "9223372036854775808", "0" * 40, "0" * 41])


ODD_PRICES = st.sampled_from(
    ["--", " 7.00", "1.00\n2.00", "-1.00", "1,23.00", "0.00", "10.5", "214748.37", "9" * 5000 + ".00"]
)


@given(st.lists(PRICES) | st.lists(PRICES | ODD_PRICES))
@example(["10.00", "1,050.00", "214748.36"])
@example(["10.00", "214748.37"])
def test_a_column_of_prices_is_read_as_its_cells_are(texts: list[str]) -> None:
    assert rule_or(lambda: parsing.prices(texts).tolist()) == rule_or(lambda: plain(parsing.price, texts))


@given(st.lists(COUNTS | ODD_COUNTS))
def test_a_column_of_counts_is_read_as_its_cells_are(texts: list[str]) -> None:
    assert rule_or(lambda: parsing.integers(texts).tolist()) == rule_or(lambda: plain(parsing.integer, texts))
