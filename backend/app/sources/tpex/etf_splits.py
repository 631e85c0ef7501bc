"""Splits and reverse splits of funds on TPEx, a table each: etfSplitRslt and etfRvsRslt."""

from __future__ import annotations

from types import MappingProxyType
from typing import ClassVar

from app.market.corporate_action import ActionKind
from app.market.security import Venue
from app.sources.actions import ActionsDataset, Columns, tpex_period
from app.sources.base import PeriodQuery, Request, Site

COLUMNS = Columns("恢復買賣日期", "證券代號", "最後交易日之收盤價格", "恢復買賣開始參考價")


class EtfSplits(ActionsDataset):
    """Splits of funds, on the day on which trading resumes."""

    name: ClassVar[str] = "etf_splits"
    venue: ClassVar[Venue | None] = Venue.TPEX
    site = Site.TPEX
    columns = COLUMNS
    kinds = MappingProxyType({"": ActionKind.SPLIT})

    def request(self, query: PeriodQuery) -> Request:
        """EtfSplitRslt for the period."""
        return tpex_period("/www/zh-tw/bulletin/etfSplitRslt", query)


class EtfReverseSplits(ActionsDataset):
    """Reverse splits of funds, on the day on which trading resumes."""

    name: ClassVar[str] = "etf_reverse_splits"
    venue: ClassVar[Venue | None] = Venue.TPEX
    site = Site.TPEX
    columns = COLUMNS
    kinds = MappingProxyType({"": ActionKind.REVERSE_SPLIT})

    def request(self, query: PeriodQuery) -> Request:
        """EtfRvsRslt for the period."""
        return tpex_period("/www/zh-tw/bulletin/etfRvsRslt", query)
