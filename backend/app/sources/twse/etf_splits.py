"""Splits and reverse splits of funds on TWSE, both in one table: TWTCAU."""

from __future__ import annotations

from types import MappingProxyType
from typing import ClassVar

from app.market.corporate_action import ActionKind
from app.market.security import Venue
from app.sources.actions import ActionsDataset, Columns, twse_period
from app.sources.base import PeriodQuery, Request, Site


class EtfSplits(ActionsDataset):
    """Splits and reverse splits of funds, on the day on which trading resumes.

    The cell that names the kind may be empty (00631L, 2026-03-31): then the prices tell.
    """

    name: ClassVar[str] = "etf_splits"
    venue: ClassVar[Venue | None] = Venue.TWSE
    site = Site.TWSE
    columns = Columns("恢復買賣日期", "ETF代號", "停止買賣前收盤價格", "恢復買賣參考價", kind="分割(反分割)")
    kinds = MappingProxyType({"分割": ActionKind.SPLIT, "反分割": ActionKind.REVERSE_SPLIT, "": None})

    def request(self, query: PeriodQuery) -> Request:
        """TWTCAU for the period."""
        return twse_period("/rwd/zh/split/TWTCAU", query)
