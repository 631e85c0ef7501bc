"""Changes of the par value on TWSE, which split shares or join them: TWTB8U."""

from __future__ import annotations

from types import MappingProxyType
from typing import ClassVar

from app.market.corporate_action import ActionKind
from app.market.security import Venue
from app.sources.actions import ActionsDataset, Columns, twse_period
from app.sources.base import PeriodQuery, Request, Site


class ParChanges(ActionsDataset):
    """Changes of the par value, on the day on which trading resumes."""

    name: ClassVar[str] = "par_changes"
    venue: ClassVar[Venue | None] = Venue.TWSE
    site = Site.TWSE
    columns = Columns("恢復買賣日期", "股票代號", "停止買賣前收盤價格", "恢復買賣參考價")
    kinds = MappingProxyType({"": ActionKind.PAR_CHANGE})

    def request(self, query: PeriodQuery) -> Request:
        """TWTB8U for the period."""
        return twse_period("/rwd/zh/change/TWTB8U", query)
