"""Ex-dividend and ex-rights on TPEx: exDailyQ."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from decimal import Decimal
from types import MappingProxyType
from typing import ClassVar

from app.errors import InvalidRow
from app.market.corporate_action import ActionKind, CorporateAction
from app.market.security import Venue
from app.sources import parsing
from app.sources.actions import ActionsDataset, Columns, price_in, tpex_period
from app.sources.base import PeriodQuery, Request, Site
from app.sources.rows import Row

_CASH = re.compile(r"[0-9]{1,6}\.[0-9]{1,8}")


class Dividends(ActionsDataset):
    """Dividends in cash and in shares, and rights issues.

    減除股利參考價 takes off the cash *and* the free shares, as on TWSE; unlike TWSE, 息值 tells the cash of 除權息.
    """

    name: ClassVar[str] = "dividends"
    venue: ClassVar[Venue | None] = Venue.TPEX
    site = Site.TPEX
    columns = Columns(
        "除權息日期", "代號", "除權息前收盤價", "除權息參考價", kind="權/息", more=("減除股利參考價", "息值")
    )
    kinds = MappingProxyType(
        {"除息": ActionKind.DIVIDEND, "除權": ActionKind.RIGHTS, "除權息": ActionKind.DIVIDEND_AND_RIGHTS}
    )
    optional = frozenset({"cash_reference"})

    def request(self, query: PeriodQuery) -> Request:
        """ExDailyQ for the period."""
        return tpex_period("/www/zh-tw/bulletin/exDailyQ", query)

    def read(self, row: Row, symbol: str, ex_date: date) -> CorporateAction:
        """The action; ``cash_reference`` where cash is paid, to the nearest 1/10,000 TWD. Rule: cash-exceeds-price."""
        action = super().read(row, symbol, ex_date)
        if action.kind is ActionKind.DIVIDEND:
            return replace(action, cash_reference=price_in(row, "減除股利參考價"))
        if action.kind is ActionKind.RIGHTS:
            return action
        if _CASH.fullmatch(cash := row["息值"].strip()) is None:
            raise parsing.unreadable(cash, "an amount of cash")
        left = action.previous_close - round(Decimal(cash) * 10_000)
        if left <= 0:
            raise InvalidRow(f"a dividend of {cash} exceeds the previous close", rule="cash-exceeds-price")
        return replace(action, cash_reference=left)
