"""TWSE's broad index, TAIEX, in one session: the price indices of MI_INDEX, any date since 2004-02-11."""

from __future__ import annotations

from datetime import time
from typing import ClassVar

from app.market.figures import TAIEX, Unit
from app.market.security import Venue
from app.sources import parsing
from app.sources.base import Request, SessionQuery, Site
from app.sources.figures import FiguresDataset
from app.sources.layouts import Cell, Layout, points
from app.sources.rows import Row

_NAME = "發行量加權股價指數"
LAYOUT = Layout(
    "指數",
    {
        "close": points("收盤指數"),
        "change": Cell(Unit.POINTS, lambda _, sign, size: parsing.signed_change(sign, size), ("漲跌(+/-)", "漲跌點數")),
    },
)


class Indices(FiguresDataset):
    """TAIEX's close and its change to the session before, in 1/10,000 points; the other indices are left out."""

    name: ClassVar[str] = "indices"
    venue: ClassVar[Venue | None] = Venue.TWSE
    site = Site.TWSE
    layouts = (LAYOUT,)
    title = "價格指數(臺灣證券交易所)"
    published_by = time(15, 0)

    def request(self, query: SessionQuery) -> Request:
        """MI_INDEX for the session, its tables of indices only."""
        params = (("date", f"{query.session:%Y%m%d}"), ("type", "IND"), ("response", "json"))
        return Request(Site.TWSE, "/rwd/zh/afterTrading/MI_INDEX", params)

    def owner(self, row: Row, layout: Layout) -> str | None:
        """TAIEX, by its name in the table."""
        name = row[layout.symbol].strip()
        if not name.endswith("指數"):
            raise parsing.unreadable(name, "the name of an index")
        return TAIEX if name == _NAME else None
