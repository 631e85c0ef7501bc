"""Margin purchases and short sales on TWSE in one session: MI_MARGN, published at about 21:00.

融資 and 融券 have columns of the same names: only the place tells which is which.
"""

from __future__ import annotations

from datetime import time
from typing import ClassVar

from app.market.security import Venue
from app.sources.base import Request, SessionQuery, Site
from app.sources.figures import FiguresDataset
from app.sources.layouts import Layout, lots
from app.sources.rows import Row

_TOTALS = "合計"


def _layout(limit: str) -> Layout:
    shared = ("買進", "賣出")
    balance = ("前日餘額", "今日餘額", limit)
    return Layout(
        "代號",
        {
            "margin_buy": lots("買進"),
            "margin_sell": lots("賣出"),
            "margin_repaid": lots("現金償還"),
            "margin_previous": lots("前日餘額"),
            "margin_balance": lots("今日餘額"),
            "margin_limit": lots(limit),
            "short_buy": lots("買進#2"),
            "short_sell": lots("賣出#2"),
            "short_repaid": lots("現券償還"),
            "short_previous": lots("前日餘額#2"),
            "short_balance": lots("今日餘額#2"),
            "short_limit": lots(f"{limit}#2"),
            "offset": lots("資券互抵"),
        },
        order=("代號", "名稱", *shared, "現金償還", *balance, *shared, "現券償還", *balance, "資券互抵", "註記"),
    )


class Margin(FiguresDataset):
    """Shares (published in lots): bought and sold on margin or short, repaid, balances, limits, and day trades."""

    name: ClassVar[str] = "margin"
    venue: ClassVar[Venue | None] = Venue.TWSE
    site = Site.TWSE
    layouts = (_layout("次一營業日限額"), _layout("限額"))
    published_by = time(22, 30)

    def request(self, query: SessionQuery) -> Request:
        """MI_MARGN for the session, all securities."""
        params = (("date", f"{query.session:%Y%m%d}"), ("selectType", "ALL"), ("response", "json"))
        return Request(Site.TWSE, "/rwd/zh/marginTrading/MI_MARGN", params)

    def owner(self, row: Row, layout: Layout) -> str | None:
        """As ever; a line of totals, which some replies begin with, has no symbol and is left out."""
        if not row[layout.symbol].strip() and row["名稱"].strip() == _TOTALS:
            return None
        return super().owner(row, layout)
