"""What the recordings of corporate actions do not show: rights, odd rows, echoes that are wrong."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest

from app.errors import NoData, SourceChanged, WrongDate
from app.market.corporate_action import ActionKind, CorporateAction
from app.sources.actions import ActionsDataset
from app.sources.base import Parsed, PeriodQuery
from app.sources.tpex import dividends as tpex_dividends
from app.sources.tpex import etf_splits as tpex_splits
from app.sources.tpex import reductions as tpex_reductions
from app.sources.twse import dividends, etf_splits, par_changes, reductions
from tests.contract.dataset_contract import RECORDED

MARCH = PeriodQuery(date(2024, 3, 4), date(2024, 3, 5))
DAY = date(2024, 3, 4)
SPLITS = PeriodQuery(date(2020, 1, 1), date(2026, 9, 24))


def document(name: str) -> Any:
    return json.loads((RECORDED / name).read_bytes())


def parse(dataset: ActionsDataset, reply: Any, query: PeriodQuery) -> Parsed[CorporateAction]:
    return dataset.parse(json.dumps(reply).encode(), query)


def with_cells(name: str, **cells: str) -> Any:
    """The recording with its first row alone, some of whose cells are others."""
    reply = document(name)
    table = reply["tables"][0] if "tables" in reply else reply
    table["data"] = table["data"][:1]
    for column, text in cells.items():
        table["data"][0][table["fields"].index(column)] = text
    table.pop("totalCount", None)
    return reply


def twse_dividend(**cells: str) -> Parsed[CorporateAction]:
    return parse(dividends.Dividends(), with_cells("twse/dividends.json", **cells), MARCH)


def tpex_dividend(**cells: str) -> Parsed[CorporateAction]:
    query = PeriodQuery(date(2024, 3, 22), date(2024, 3, 23))
    return parse(tpex_dividends.Dividends(), with_cells("tpex/dividends.json", **cells), query)


def rules(parsed: Parsed[CorporateAction]) -> list[str]:
    assert parsed.rows == ()
    return [row.rule for row in parsed.rejected]


@pytest.mark.parametrize(("word", "kind"), [("權", ActionKind.RIGHTS), (" 權息 ", ActionKind.DIVIDEND_AND_RIGHTS)])
def test_twse_does_not_tell_the_cash_where_there_are_shares(word: str, kind: ActionKind) -> None:
    """31.35 less 1.00, and 100 free shares a thousand: (31.35 - 1) ÷ 1.1 = 27.59, both as reference and as 減除股利."""
    parsed = twse_dividend(**{"權/息": word, "除權息參考價": "27.59", "減除股利參考價": "27.59"})
    assert parsed.rows == (CorporateAction("00690", DAY, kind, 313_500, 275_900),)


def test_tpex_tells_the_cash_by_itself() -> None:
    """65.70 less 2.862035 is 62.837965; with 200 free shares a thousand, 52.36: ÷ 62.838 nearly 1 ÷ 1.2."""
    cells = {"權/息": "除權息", "權值": "10.477965", "除權息參考價": "52.36", "減除股利參考價": "52.36"}
    (action,) = tpex_dividend(**cells).rows
    assert action.cash_reference == 628_380
    assert abs(action.split_ratio - 1 / 1.2) < 0.0001
    (rights,) = tpex_dividend(**{"權/息": "除權"}).rows
    assert (rights.kind, rights.cash_reference) == (ActionKind.RIGHTS, None)


@pytest.mark.parametrize(
    ("cells", "rule"),
    [
        ({"除權息前收盤價": "--"}, "missing-price"),
        ({"除權息參考價": ""}, "missing-price"),
        ({"除權息參考價": "0.00"}, "zero-price"),
        ({"除權息參考價": "-1.00"}, "negative-value"),
        ({"除權息參考價": "N/A"}, "unreadable-cell"),
        ({"減除股利參考價": "--"}, "missing-price"),
        ({"權/息": "配"}, "unknown-kind"),
        ({"權/息": ""}, "unknown-kind"),
        ({"資料日期": "113年03月06日"}, "outside-period"),
        ({"資料日期": "113年02月30日"}, "unreadable-cell"),
        ({"股票代號": "台積電"}, "not-a-symbol"),
    ],
)
def test_a_row_that_breaks_a_rule_is_set_aside_with_its_cells(cells: dict[str, str], rule: str) -> None:
    parsed = twse_dividend(**cells)
    assert rules(parsed) == [rule]
    assert cells.items() <= parsed.rejected[0].raw.items()


def test_cash_that_cannot_be_is_set_aside() -> None:
    assert rules(tpex_dividend(**{"權/息": "除權息", "息值": "65.700000"})) == ["cash-exceeds-price"]
    assert rules(tpex_dividend(**{"權/息": "除權息", "息值": "--"})) == ["unreadable-cell"]


def test_a_warrant_is_left_out() -> None:
    parsed = twse_dividend(股票代號="030012", 除權息參考價="--")
    assert (parsed.rows, parsed.rejected) == ((), ())


def test_both_rows_of_a_key_go_where_they_contradict_each_other() -> None:
    reply = document("twse/dividends.json")
    reply["data"].append([*reply["data"][0][:4], "30.00", *reply["data"][0][5:]])
    parsed = parse(dividends.Dividends(), reply, MARCH)
    assert [row.symbol for row in parsed.rows] == ["00913"]
    assert [row.rule for row in parsed.rejected] == ["duplicate-row"] * 2


def test_two_kinds_on_one_day_are_two_actions() -> None:
    reply = document("twse/dividends.json")
    reply["data"].append([*reply["data"][0][:6], "權", *reply["data"][0][7:]])
    assert len(parse(dividends.Dividends(), reply, MARCH).rows) == 3


def test_the_prices_tell_a_split_that_has_no_name_and_refute_a_wrong_one() -> None:
    def split(**cells: str) -> Parsed[CorporateAction]:
        return parse(etf_splits.EtfSplits(), with_cells("twse/etf_splits.json", **cells), SPLITS)

    nameless = {"分割(反分割)": ""}
    assert [one.kind for one in split(**nameless).rows] == [ActionKind.REVERSE_SPLIT]  # 3.28 became 22.96
    assert [one.kind for one in split(**nameless, 恢復買賣參考價="0.82").rows] == [ActionKind.SPLIT]
    assert rules(split(**nameless, 恢復買賣參考價="3.28")) == ["contradictory-kind"]
    assert rules(split(**{"分割(反分割)": "分割"})) == ["contradictory-kind"]
    assert rules(split(**{"分割(反分割)": "合併"})) == ["unknown-kind"]
    query = PeriodQuery(date(2099, 1, 1), date(2099, 12, 31))
    assert rules(parse(tpex_splits.EtfReverseSplits(), document("tpex/etf_splits.json"), query)) == [
        "contradictory-kind"
    ]


@pytest.mark.parametrize(("text", "expected"), [("6.50", 65_000), ("--", 86_500), ("0.00", 86_500), ("", 86_500)])
def test_a_reduction_with_new_shares_resumes_from_the_price_after_rights(text: str, expected: int) -> None:
    cells = {"除權參考價": text, "恢復買賣參考價": "8.65"}
    query = PeriodQuery(date(2024, 1, 1), date(2024, 6, 28))
    (action,) = parse(reductions.Reductions(), with_cells("twse/reductions.json", **cells), query).rows
    assert action.reference_price == expected


def test_a_reduction_without_a_reason_has_no_note() -> None:
    query = PeriodQuery(date(2024, 1, 1), date(2024, 7, 1))
    (action,) = parse(tpex_reductions.Reductions(), with_cells("tpex/reductions.json", 減資原因=" "), query).rows
    assert (action.note, action.reference_price) == (None, 355_000)


def test_an_empty_table_is_no_data() -> None:
    """As TWTB8U answers, with the default start that it falls back to echoed."""
    reply = document("twse/par_changes.json") | {"data": []}
    reply["params"] = {"strDate": "20240503", "endDate": "20240630"}
    with pytest.raises(NoData):
        parse(par_changes.ParChanges(), reply, PeriodQuery(date(2024, 5, 3), date(2024, 6, 30)))


def test_a_period_that_was_not_asked_for_or_is_not_told() -> None:
    reply = document("twse/par_changes.json")
    with pytest.raises(WrongDate):
        parse(par_changes.ParChanges(), reply, PeriodQuery(date(2020, 1, 1), date(2026, 9, 23)))
    with pytest.raises(SourceChanged, match="date"):
        parse(par_changes.ParChanges(), reply | {"params": None}, SPLITS)
    titled = document("twse/dividends.json")
    with pytest.raises(WrongDate):
        parse(dividends.Dividends(), titled | {"title": "113年03月03日 至 113年03月05日 除權除息計算結果表"}, MARCH)
