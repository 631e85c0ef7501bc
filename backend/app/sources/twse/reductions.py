"""Capital reductions on TWSE: TWTAUU, below ``reducation`` (sic)."""

from __future__ import annotations

from typing import ClassVar

from app.market.security import Venue
from app.sources.actions import Columns, ReductionsDataset, twse_period
from app.sources.base import PeriodQuery, Request, Site


class Reductions(ReductionsDataset):
    """Reductions of capital, on the day on which trading resumes."""

    name: ClassVar[str] = "reductions"
    venue: ClassVar[Venue | None] = Venue.TWSE
    site = Site.TWSE
    columns = Columns(
        "恢復買賣日期", "股票代號", "停止買賣前收盤價格", "恢復買賣參考價", more=("除權參考價", "減資原因")
    )

    def request(self, query: PeriodQuery) -> Request:
        """TWTAUU for the period."""
        return twse_period("/rwd/zh/reducation/TWTAUU", query)
