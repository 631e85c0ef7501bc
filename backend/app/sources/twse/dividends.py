"""Ex-dividend and ex-rights on TWSE: TWT49U, since 2003-05-05."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from types import MappingProxyType
from typing import ClassVar

from app.market.corporate_action import ActionKind, CorporateAction
from app.market.security import Venue
from app.sources.actions import ActionsDataset, Columns, price_in, twse_period
from app.sources.base import PeriodQuery, Request, Site
from app.sources.rows import Row


class Dividends(ActionsDataset):
    """Dividends in cash and in shares, and rights issues.

    減除股利參考價 takes off the cash *and* the free shares: (previous close - cash) ÷ (1 + free shares a share), as the
    reply's own formula says. So it tells the cash where there are no shares; for 權息 nothing in this table does.
    """

    name: ClassVar[str] = "dividends"
    venue: ClassVar[Venue | None] = Venue.TWSE
    site = Site.TWSE
    columns = Columns("資料日期", "股票代號", "除權息前收盤價", "除權息參考價", kind="權/息", more=("減除股利參考價",))
    kinds = MappingProxyType(
        {"息": ActionKind.DIVIDEND, "權": ActionKind.RIGHTS, "權息": ActionKind.DIVIDEND_AND_RIGHTS}
    )
    optional = frozenset({"cash_reference"})

    def request(self, query: PeriodQuery) -> Request:
        """TWT49U for the period."""
        return twse_period("/rwd/zh/exRight/TWT49U", query)

    def read(self, row: Row, symbol: str, ex_date: date) -> CorporateAction:
        """The action; ``cash_reference`` where it is paid in cash alone."""
        action = super().read(row, symbol, ex_date)
        if action.kind is not ActionKind.DIVIDEND:
            return action
        return replace(action, cash_reference=price_in(row, "減除股利參考價"))
