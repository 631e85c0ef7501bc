"""Margin purchases and short sales on TPEx in one session: margin/balance, published at about 21:00."""

from __future__ import annotations

from datetime import time
from typing import ClassVar

from app.market.security import Venue
from app.sources.base import Request, SessionQuery, Site
from app.sources.figures import FiguresDataset
from app.sources.layouts import Layout, lots

LAYOUT = Layout(
    "代號",
    {
        "margin_buy": lots("資買"),
        "margin_sell": lots("資賣"),
        "margin_repaid": lots("現償"),
        "margin_previous": lots("前資餘額(張)"),
        "margin_balance": lots("資餘額"),
        "margin_limit": lots("資限額"),
        "short_buy": lots("券買"),
        "short_sell": lots("券賣"),
        "short_repaid": lots("券償"),
        "short_previous": lots("前券餘額(張)"),
        "short_balance": lots("券餘額"),
        "short_limit": lots("券限額"),
        "offset": lots("資券相抵(張)"),
    },
)


class Margin(FiguresDataset):
    """Shares (published in lots): bought and sold on margin or short, repaid, balances, limits, and day trades."""

    name: ClassVar[str] = "margin"
    venue: ClassVar[Venue | None] = Venue.TPEX
    site = Site.TPEX
    layouts = (LAYOUT,)
    published_by = time(22, 30)

    def request(self, query: SessionQuery) -> Request:
        """The balances of the session."""
        params = (("date", f"{query.session:%Y/%m/%d}"), ("id", ""), ("response", "json"))
        return Request(Site.TPEX, "/www/zh-tw/margin/balance", params)
