"""TWSE's whole market in its newest session: the openapi STOCK_DAY_ALL, which knows no date parameter."""

from __future__ import annotations

from typing import ClassVar

from app.market.bar import BAR_FIELDS, Bar
from app.market.security import Venue
from app.sources import parsing
from app.sources.bars import bar, bar_key, unless_warrant
from app.sources.base import Dataset, LatestQuery, Parsed, Request, Site
from app.sources.envelope import json_list
from app.sources.rows import Row, object_rows, read_with_cells

COLUMNS = (
    "Date",
    "Code",
    "TradeVolume",
    "TradeValue",
    "OpeningPrice",
    "HighestPrice",
    "LowestPrice",
    "ClosingPrice",
    "Transaction",
)


class LatestBars(Dataset[LatestQuery, Bar]):
    """Bars of all securities but warrants, each with the session that its own row names.

    It may still be yesterday's in the evening. ``change`` is not among its fields: the column prints ``0.0000``
    both for an unchanged price and where there is nothing to compare, so that it cannot be told from absence.
    """

    name: ClassVar[str] = "latest_bars"
    venue: ClassVar[Venue | None] = Venue.TWSE

    def request(self, query: LatestQuery) -> Request:  # noqa: ARG002 - there is nothing to ask for
        """STOCK_DAY_ALL."""
        return Request(Site.TWSE_OPENAPI, "/exchangeReport/STOCK_DAY_ALL")

    def parse(self, body: bytes, query: LatestQuery) -> Parsed[Bar]:  # noqa: ARG002
        """Bars; volume in shares, turnover in TWD; empty cells are absence."""
        lines = json_list(body, site=Site.TWSE_OPENAPI)

        def read(row: Row, symbol: str) -> Bar:
            return bar(
                symbol,
                parsing.roc_date(row["Date"]),
                prices=(row["OpeningPrice"], row["HighestPrice"], row["LowestPrice"], row["ClosingPrice"]),
                change=None,
                volume=parsing.integer(row["TradeVolume"]),
                turnover=parsing.integer(row["TradeValue"]),
                trades=parsing.integer(row["Transaction"]),
            )

        rows, cells, rejected = read_with_cells(
            object_rows(lines, COLUMNS, site=Site.TWSE_OPENAPI),
            unless_warrant("Code", read),
            key=bar_key,
            symbol="Code",
            session=lambda row: parsing.roc_date(row["Date"]),
        )
        return Parsed(rows=rows, cells=cells, rejected=rejected, fields=frozenset(BAR_FIELDS) - {"change"})
