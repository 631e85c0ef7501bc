"""Changes of the par value on TPEx, which split shares or join them: pvChgRslt."""

from __future__ import annotations

from types import MappingProxyType
from typing import ClassVar

from app.market.corporate_action import ActionKind
from app.market.security import Venue
from app.sources.actions import ActionsDataset, Columns, tpex_period
from app.sources.base import PeriodQuery, Request, Site


class ParChanges(ActionsDataset):
    """Changes of the par value, on the day on which trading resumes."""

    name: ClassVar[str] = "par_changes"
    venue: ClassVar[Venue | None] = Venue.TPEX
    site = Site.TPEX
    columns = Columns("恢復買賣日期", "證券代號", "最後交易日之收盤價格", "恢復買賣開始參考價")
    kinds = MappingProxyType({"": ActionKind.PAR_CHANGE})

    def request(self, query: PeriodQuery) -> Request:
        """PvChgRslt for the period."""
        return tpex_period("/www/zh-tw/bulletin/pvChgRslt", query)
