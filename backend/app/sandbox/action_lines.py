"""Synthetic actions as the lines of the exchanges' tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from fractions import Fraction

from app.market.corporate_action import ActionKind
from app.market.security import Venue
from app.sandbox.actions import Action, Table
from app.sandbox.cells import compact, grouped, padded, plain, roc_compact, roc_slashes, roc_words

Happened = Callable[[date, date], Sequence[Action]]
Line = Callable[[Action], list[str]]

_TWSE_KINDS = {ActionKind.DIVIDEND: "息", ActionKind.RIGHTS: "權", ActionKind.DIVIDEND_AND_RIGHTS: "權息"}
_SPLITS = {ActionKind.SPLIT: "分割", ActionKind.REVERSE_SPLIT: "反分割"}
_REASON = "彌補虧損"


class SyntheticTables:
    """The tables of what *happened*."""

    def __init__(self, happened: Happened) -> None:
        self._happened = happened

    def lines(self, table: Table, start: date, end: date) -> Sequence[list[str]]:
        """The table's rows whose ex-date lies from *start* to *end*."""
        venue, kinds, line = _TABLES[table]
        return [
            line(action)
            for action in self._happened(start, end)
            if action.kind in kinds and action.listed.security.venue is venue
        ]


def _prices(action: Action, write: Callable[..., str]) -> list[str]:
    five = (action.previous_close, action.reference, action.limit_up, action.limit_down, action.opening)
    return [write(price, absent="--") for price in five]


def _fine(amount: int, places: int) -> str:
    return f"{amount / 10_000:.{places}f}"


def _twse_dividend(action: Action) -> list[str]:
    before, reference, *rest = _prices(action, grouped)
    return [
        roc_words(action.session), action.listed.symbol, action.listed.security.name, before, reference,
        _fine(action.previous_close - action.reference, 6), _TWSE_KINDS[action.kind], *rest, reference,
        f"{action.listed.symbol},{compact(action.session)}", "", "N/A", "N/A",
    ]  # fmt: skip


def _tpex_dividend(action: Action) -> list[str]:
    before, reference, *rest = _prices(action, plain)
    value = action.previous_close - action.reference
    return [
        roc_slashes(action.session), action.listed.symbol, padded(action.listed.security.name), before, reference,
        _fine(value - action.cash, 6), _fine(action.cash, 6), _fine(value, 6), f"除{_TWSE_KINDS[action.kind]}", *rest,
        reference, _fine(action.cash, 8), f"{action.free_shares}.00000000", "0", "0.00", "0", "0", "0", "0.00000000",
    ]  # fmt: skip


def _stopped(action: Action) -> date:
    return action.halted_on or action.session


def _twse_reduction(action: Action) -> list[str]:
    detail = f"{action.listed.symbol:6},{compact(_stopped(action))}"
    names = [action.listed.symbol, action.listed.security.name]
    return [roc_slashes(action.session), *names, *_prices(action, grouped), "--", _REASON, detail]


def _twse_par_change(action: Action) -> list[str]:
    detail = f"{action.listed.symbol},{compact(_stopped(action))},{compact(action.session)}"
    names = [action.listed.symbol, action.listed.security.name]
    return [roc_slashes(action.session), *names, *_prices(action, grouped), detail]


def _twse_split(action: Action) -> list[str]:
    names = [action.listed.symbol, action.listed.security.name, _SPLITS[action.kind]]
    return [roc_slashes(action.session), *names, *_prices(action, grouped)]


def _tpex_reduction(action: Action) -> list[str]:
    shares = float(1000 * _shares(action))
    detail = _detail(
        action, "股票", {"每壹仟股換發新股票": f"{shares:.8f}&nbsp股", "每股退還股款": "0.00000000&nbsp元/股"}
    )
    names = [action.listed.symbol, action.listed.security.name]
    return [roc_compact(action.session), *names, *_prices(action, plain), "0.00", _REASON, detail]


def _tpex_par_change(action: Action) -> list[str]:
    detail = _detail(action, "證券", {"變更股票面額換股率": f"{float(_shares(action)):.8f}"})
    names = [action.listed.symbol, padded(action.listed.security.name)]
    return [roc_compact(action.session), *names, *_prices(action, plain), detail]


def _tpex_split(action: Action) -> list[str]:
    names = [action.listed.symbol, action.listed.security.name]
    return [roc_compact(action.session), *names, *_prices(action, plain), ""]


def _shares(action: Action) -> Fraction:
    """New shares for an old one."""
    return Fraction(action.previous_close, action.reference).limit_denominator(1000)


def _detail(action: Action, what: str, more: Mapping[str, str]) -> str:
    cells = {
        f"{what}代號/{what}名稱": f"{action.listed.symbol}&nbsp/&nbsp{action.listed.security.name}",
        "停止買賣日期": roc_slashes(_stopped(action)),
        "恢復買賣日期": roc_slashes(action.session),
        **more,
    }
    rows = "".join(f"<tr><th>{name}:</th><td>{text}</td></tr>" for name, text in cells.items())
    return f"<table>{rows}</table>"


_EX = frozenset(_TWSE_KINDS)
_REDUCTION, _PAR = frozenset({ActionKind.REDUCTION}), frozenset({ActionKind.PAR_CHANGE})
_SPLIT, _REVERSE = frozenset({ActionKind.SPLIT}), frozenset({ActionKind.REVERSE_SPLIT})
_TABLES: Mapping[Table, tuple[Venue, frozenset[ActionKind], Line]] = {
    Table.TWSE_DIVIDENDS: (Venue.TWSE, _EX, _twse_dividend),
    Table.TWSE_REDUCTIONS: (Venue.TWSE, _REDUCTION, _twse_reduction),
    Table.TWSE_PAR_CHANGES: (Venue.TWSE, _PAR, _twse_par_change),
    Table.TWSE_SPLITS: (Venue.TWSE, _SPLIT | _REVERSE, _twse_split),
    Table.TPEX_DIVIDENDS: (Venue.TPEX, _EX, _tpex_dividend),
    Table.TPEX_REDUCTIONS: (Venue.TPEX, _REDUCTION, _tpex_reduction),
    Table.TPEX_PAR_CHANGES: (Venue.TPEX, _PAR, _tpex_par_change),
    Table.TPEX_SPLITS: (Venue.TPEX, _SPLIT, _tpex_split),
    Table.TPEX_REVERSE_SPLITS: (Venue.TPEX, _REVERSE, _tpex_split),
}
