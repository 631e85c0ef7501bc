"""Capital reductions on TPEx: revivt."""

from __future__ import annotations

from typing import ClassVar

from app.market.security import Venue
from app.sources.actions import Columns, ReductionsDataset, tpex_period
from app.sources.base import PeriodQuery, Request, Site


class Reductions(ReductionsDataset):
    """Reductions of capital, on the day on which trading resumes."""

    name: ClassVar[str] = "reductions"
    venue: ClassVar[Venue | None] = Venue.TPEX
    site = Site.TPEX
    columns = Columns(
        "恢復買賣日期",
        "股票代號",
        "最後交易日之收盤價格",
        "減資恢復買賣開始日參考價格",
        more=("除權參考價", "減資原因"),
    )

    def request(self, query: PeriodQuery) -> Request:
        """Revivt for the period."""
        return tpex_period("/www/zh-tw/bulletin/revivt", query)
