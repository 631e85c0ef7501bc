"""Price-earnings ratio, dividend yield and price-book ratio of TPEx's stocks in one session: peQryDate."""

from __future__ import annotations

from datetime import time
from typing import ClassVar

from app.market.security import Venue
from app.sources.base import Request, SessionQuery, Site
from app.sources.figures import FiguresDataset
from app.sources.layouts import Layout, percent, ratio

LAYOUT = Layout(
    "股票代號",
    {
        "price_earnings": ratio("本益比"),
        "dividend_yield": percent("殖利率(%)"),
        "price_book": ratio("股價淨值比"),
    },
)


class Valuation(FiguresDataset):
    """Ratios in 1/10,000, as the venue computes them; a company that earns nothing has no price-earnings ratio."""

    name: ClassVar[str] = "valuation"
    venue: ClassVar[Venue | None] = Venue.TPEX
    site = Site.TPEX
    layouts = (LAYOUT,)
    published_by = time(20, 0)

    def request(self, query: SessionQuery) -> Request:
        """PeQryDate for the session, all industries."""
        params = (("date", f"{query.session:%Y/%m/%d}"), ("cate", ""), ("id", ""), ("response", "json"))
        return Request(Site.TPEX, "/www/zh-tw/afterTrading/peQryDate", params)
