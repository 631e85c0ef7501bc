"""Price-earnings ratio, dividend yield and price-book ratio of TWSE's stocks in one session: BWIBBU_d."""

from __future__ import annotations

from datetime import time
from typing import ClassVar

from app.market.security import Venue
from app.sources.base import Request, SessionQuery, Site
from app.sources.figures import FiguresDataset
from app.sources.layouts import Layout, percent, ratio

LAYOUT = Layout(
    "證券代號",
    {
        "price_earnings": ratio("本益比"),
        "dividend_yield": percent("殖利率(%)"),
        "price_book": ratio("股價淨值比"),
    },
)


class Valuation(FiguresDataset):
    """Ratios in 1/10,000, as the venue computes them; a company that earns nothing has no price-earnings ratio."""

    name: ClassVar[str] = "valuation"
    venue: ClassVar[Venue | None] = Venue.TWSE
    site = Site.TWSE
    layouts = (LAYOUT,)
    published_by = time(20, 0)

    def request(self, query: SessionQuery) -> Request:
        """BWIBBU_d for the session, all stocks."""
        params = (("date", f"{query.session:%Y%m%d}"), ("selectType", "ALL"), ("response", "json"))
        return Request(Site.TWSE, "/rwd/zh/afterTrading/BWIBBU_d", params)
