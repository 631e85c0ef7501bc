"""The second reading of corporate actions: a part of ``witness``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from app.market.corporate_action import ActionKind, CorporateAction
from tests.fuzz import cells
from tests.fuzz.cells import BAD, LEFT_OUT
from tests.fuzz.seeds import Seed

if TYPE_CHECKING:
    from tests.fuzz.witness import Cells

Reader = Callable[[Seed, "Cells"], Any]

_TWSE = ("恢復買賣日期", "股票代號", "停止買賣前收盤價格", "恢復買賣參考價")
_TPEX = ("恢復買賣日期", "證券代號", "最後交易日之收盤價格", "恢復買賣開始參考價")
_KINDS = (ActionKind.DIVIDEND, ActionKind.RIGHTS, ActionKind.DIVIDEND_AND_RIGHTS)


def _period(seed: Seed, text: Any) -> Any:
    day = cells.roc_day(text)
    return day if day is not BAD and seed.query.start <= day <= seed.query.end else BAD


def _action(columns: tuple[str, ...], details: Callable[[Cells, Any, Any], Any]) -> Reader:
    """``details`` gives kind, cash reference, note and the reference price that holds, of a row and its two prices."""

    def reader(seed: Seed, row: Cells) -> Any:
        day, symbol = _period(seed, row.of(columns[0])), cells.symbol(row.of(columns[1]))
        before, after = (cells.price(row.of(column)) for column in columns[2:])
        found = details(row, before, after)
        if cells.is_warrant(symbol):
            return LEFT_OUT
        if BAD in (day, symbol, before, after, found) or before is None or after is None or BAD in found:
            return BAD
        kind, cash, note, reference = found
        return CorporateAction(symbol, day, kind, before, reference, cash, note)

    return reader


def _dividend(words: tuple[str, ...], cash: str | None) -> Callable[[Cells, Any, Any], Any]:
    def details(row: Cells, before: Any, after: Any) -> Any:
        word, alone = row.of("權/息"), cells.price(row.of("減除股利參考價"))
        paid = BAD if cash is None else cells.amount(row.of(cash))
        if word is BAD or word.strip() not in words:
            return BAD
        kind = _KINDS[words.index(word.strip())]
        if kind is ActionKind.DIVIDEND:
            return BAD if alone is None else (kind, alone, None, after)
        if kind is ActionKind.RIGHTS or cash is None:
            return kind, None, None, after
        if paid is BAD or paid is None or before in (BAD, None) or before <= round(paid * 10_000):
            return BAD
        return kind, before - round(paid * 10_000), None, after

    return details


def _reduction(row: Cells, before: Any, after: Any) -> Any:
    reason, rights = row.of("減資原因"), row.of("除權參考價")
    if reason is BAD or rights is BAD:
        return BAD
    after_rights = None if cells.amount(rights) == 0 else cells.price(rights)
    note = cells.words(reason) if reason.strip() else None
    return ActionKind.REDUCTION, None, note, after if after_rights is None else after_rights


def _par_change(row: Cells, before: Any, after: Any) -> Any:
    return ActionKind.PAR_CHANGE, None, None, after


def _split(told: ActionKind | None) -> Callable[[Cells, Any, Any], Any]:
    def details(row: Cells, before: Any, after: Any) -> Any:
        cell = "" if told else row.of("分割(反分割)")
        if BAD in (cell, before, after) or None in (before, after) or before == after:
            return BAD
        kind = ActionKind.SPLIT if after < before else ActionKind.REVERSE_SPLIT
        words = {"分割": ActionKind.SPLIT, "反分割": ActionKind.REVERSE_SPLIT, "": told or kind}
        return (kind, None, None, after) if words.get(cell.strip()) is kind else BAD

    return details


READERS: Mapping[tuple[str, str], Reader] = {
    ("TWSE", "dividends"): _action(
        ("資料日期", "股票代號", "除權息前收盤價", "除權息參考價"), _dividend(("息", "權", "權息"), None)
    ),
    ("TPEX", "dividends"): _action(
        ("除權息日期", "代號", "除權息前收盤價", "除權息參考價"), _dividend(("除息", "除權", "除權息"), "息值")
    ),
    ("TWSE", "reductions"): _action(_TWSE, _reduction),
    ("TPEX", "reductions"): _action(
        ("恢復買賣日期", "股票代號", "最後交易日之收盤價格", "減資恢復買賣開始日參考價格"), _reduction
    ),
    ("TWSE", "par_changes"): _action(_TWSE, _par_change),
    ("TPEX", "par_changes"): _action(_TPEX, _par_change),
    ("TWSE", "etf_splits"): _action((_TWSE[0], "ETF代號", *_TWSE[2:]), _split(None)),
    ("TPEX", "etf_splits"): _action(_TPEX, _split(ActionKind.SPLIT)),
    ("TPEX", "etf_reverse_splits"): _action(_TPEX, _split(ActionKind.REVERSE_SPLIT)),
}


def period_fault(seed: Seed, document: Mapping[str, Any]) -> str | None:
    """What is wrong with the period that a reply says to be for."""
    if str(seed.owner) == "TPEX":
        first, _, last = str(document.get("date")).partition("~")
        found = [first, last]
    else:
        params = document.get("params")
        holder = params if "endDate" not in document and isinstance(params, dict) else document
        found = [holder.get("startDate", holder.get("strDate")), holder.get("endDate")]
    days = [cells.day(one) for one in found]
    return None if days == [seed.query.start, seed.query.end] else "it is for another period"
