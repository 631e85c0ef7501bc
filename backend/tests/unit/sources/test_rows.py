from __future__ import annotations

from datetime import date

import pytest

from app.errors import InvalidRow, SourceChanged
from app.market.bar import Bar
from app.sources.bars import bar, symbol_of, unless_warrant
from app.sources.rows import Row, cell, object_rows, read_rows, table_rows

DAY = date(2023, 1, 30)


def one(symbol: str = "2330", **cells: str) -> Bar:
    texts = {"open": "10", "high": "11", "low": "9", "close": "10.5"} | cells
    return bar(
        symbol,
        DAY,
        prices=(texts["open"], texts["high"], texts["low"], texts["close"]),
        change=0,
        volume=1,
        turnover=2,
        trades=3,
    )


def test_a_bar_keeps_what_it_is_given() -> None:
    assert one() == Bar("2330", DAY, 100_000, 110_000, 90_000, 105_000, 0, 1, 2, 3)


def test_a_bar_without_prices_has_no_change() -> None:
    assert one(open="--", high="--", low="--", close="--") == Bar("2330", DAY, volume=1, turnover=2, trades=3)


@pytest.mark.parametrize(
    ("cells", "rule"),
    [
        ({"high": "--"}, "partial-prices"),
        ({"open": "", "high": "", "low": ""}, "partial-prices"),
        ({"close": "0"}, "zero-price"),
        ({"close": "-1"}, "negative-value"),
        ({"close": "nan"}, "unreadable-cell"),
        ({"high": "999999999"}, "price-too-large"),
    ],
)
def test_a_bar_that_cannot_be_true_is_refused(cells: dict[str, str], rule: str) -> None:
    with pytest.raises(InvalidRow) as caught:
        one(**cells)
    assert caught.value.rule == rule


def test_prices_out_of_order_are_read_for_the_gate_to_judge() -> None:
    """Whether they can be true together is no question of how to read them: a person may say that they are."""
    assert one(open="12") == Bar("2330", DAY, 120_000, 110_000, 90_000, 105_000, 0, 1, 2, 3)


def test_more_trades_than_the_store_can_hold() -> None:
    with pytest.raises(InvalidRow) as caught:
        bar("2330", DAY, prices=("", "", "", ""), change=None, volume=None, turnover=None, trades=2**31)
    assert caught.value.rule == "value-too-large"


def test_symbols() -> None:
    assert symbol_of(" 00625K ") == "00625K"
    for text in ("", "台積電", "233", "2330.TW", "00625k", "1234567"):
        with pytest.raises(InvalidRow):
            symbol_of(text)


def test_warrants_are_left_out_unread() -> None:
    def never(row: Row, symbol: str) -> Bar:
        raise AssertionError(symbol)

    assert unless_warrant("代號", never)(Row({"代號": "030012"})) is None


def read(row: Row) -> tuple[str, str]:
    return row["代號"], row["收盤"]


FIELDS = ["代號", "收盤"]


def rows_of(lines: list[object]) -> tuple[tuple[tuple[str, str], ...], list[str]]:
    rows = table_rows(FIELDS, lines, FIELDS, site="tpex")
    values, rejected = read_rows(rows, read, key=lambda pair: pair[0], symbol="代號", session=DAY)
    assert all(row.session == DAY for row in rejected)
    return values, [row.rule for row in rejected]


def test_rows_of_another_width_are_rejected() -> None:
    lines: list[object] = [["2330", "1"], ["2317"], ["2454", "1", "2"], None, "2330", {"代號": "1"}, []]
    values, rules = rows_of(lines)
    assert values == (("2330", "1"),)
    assert rules == ["row-width"] * 6


def test_the_same_row_twice_is_kept_once() -> None:
    assert rows_of([["2330", "1"], ["2330", "1"]]) == ((("2330", "1"),), ["duplicate-row"])


def test_rows_that_contradict_each_other_are_all_rejected() -> None:
    values, rules = rows_of([["2330", "1"], ["2317", "1"], ["2330", "2"], ["2330", "1"]])
    assert values == (("2317", "1"),)
    assert rules == ["duplicate-row"] * 3


def test_a_rejected_row_tells_whose_and_when_where_that_can_be_read() -> None:
    lines = [{"c": "2330　台積電", "d": "1120130"}, {"c": "?", "d": "?"}, {"c": "", "d": ""}]
    from app.sources.parsing import roc_date

    _, rejected = read_rows(
        object_rows(lines, ["c"], site="mis"),
        lambda row: row["none"],
        key=str,
        symbol="c",
        session=lambda row: roc_date(row["d"]),
    )
    assert [(row.symbol, row.session) for row in rejected] == [("2330", DAY), (None, None), (None, None)]
    assert rejected[0].raw == {"c": "2330　台積電", "d": "1120130"}


def test_objects_may_lack_a_key_but_not_all_of_them() -> None:
    rows = list(object_rows([{"Co de": "1", "Close": "2"}, {"Code": "1"}, 7], ["Close"], site="tpex"))
    assert rows[0] == {"Code": "1", "Close": "2"}
    with pytest.raises(InvalidRow):
        rows[1]["Close"]
    with pytest.raises(SourceChanged, match="Close"):
        list(object_rows([{"Code": "1"}, 7], ["Close"], site="tpex"))


def test_cells_are_text_that_the_store_can_hold() -> None:
    assert [cell(value) for value in (None, "台", 7, 1.5, float("nan"))] == ["", "台", "7", "1.5", "nan"]
    for text in ("a\0b", "\ud800", "台\0"):
        cell(text).encode()
        assert "\0" not in cell(text)
