"""TPEx's broad index in one session: the day's summary, afterTrading/highlight."""

from __future__ import annotations

from datetime import time
from typing import ClassVar

from app.market.figures import TPEX_INDEX, Unit
from app.market.security import Venue
from app.sources import parsing
from app.sources.base import Request, SessionQuery, Site
from app.sources.figures import FiguresDataset
from app.sources.layouts import Cell, Layout, points
from app.sources.rows import Row

LAYOUT = Layout(
    "",
    {
        "close": points("收市指數"),
        "change": Cell(Unit.POINTS, lambda _, text: parsing.change(text), ("指數漲跌",)),
    },
)


class Indices(FiguresDataset):
    """The TPEx index' close and its change to the session before, in 1/10,000 points."""

    name: ClassVar[str] = "indices"
    venue: ClassVar[Venue | None] = Venue.TPEX
    site = Site.TPEX
    layouts = (LAYOUT,)
    published_by = time(15, 0)

    def request(self, query: SessionQuery) -> Request:
        """The summary of the session."""
        params = (("date", f"{query.session:%Y/%m/%d}"), ("id", ""), ("response", "json"))
        return Request(Site.TPEX, "/www/zh-tw/afterTrading/highlight", params)

    def owner(self, row: Row, layout: Layout) -> str | None:  # noqa: ARG002 - there is one row, the market's
        """The index has no name in the table."""
        return TPEX_INDEX
