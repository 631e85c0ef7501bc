"""TPEx's whole market in its newest session: openapi tpex_mainboard_daily_close_quotes, which knows no date."""

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
    "SecuritiesCompanyCode",
    "Close",
    "Change",
    "Open",
    "High",
    "Low",
    "TradingShares",
    "TransactionAmount",
    "TransactionNumber",
)


class LatestBars(Dataset[LatestQuery, Bar]):
    """Bars of all securities but warrants, each with the session that its own row names.

    The volumes and turnovers seen there are whole thousands, so that they count as rounded to that.
    """

    name: ClassVar[str] = "latest_bars"
    venue: ClassVar[Venue | None] = Venue.TPEX

    def request(self, query: LatestQuery) -> Request:  # noqa: ARG002 - there is nothing to ask for
        """The newest closing quotes."""
        return Request(Site.TPEX, "/openapi/v1/tpex_mainboard_daily_close_quotes")

    def parse(self, body: bytes, query: LatestQuery) -> Parsed[Bar]:  # noqa: ARG002
        """Bars; volume in shares, turnover in TWD."""
        lines = json_list(body, site=Site.TPEX)

        def read(row: Row, symbol: str) -> Bar:
            return bar(
                symbol,
                parsing.roc_date(row["Date"]),
                prices=(row["Open"], row["High"], row["Low"], row["Close"]),
                change=parsing.change(row["Change"]),
                volume=parsing.integer(row["TradingShares"]),
                turnover=parsing.integer(row["TransactionAmount"]),
                trades=parsing.integer(row["TransactionNumber"]),
            )

        rows, cells, rejected = read_with_cells(
            object_rows(lines, COLUMNS, site=Site.TPEX),
            unless_warrant("SecuritiesCompanyCode", read),
            key=bar_key,
            symbol="SecuritiesCompanyCode",
            session=lambda row: parsing.roc_date(row["Date"]),
        )
        rounded = {"volume": 1_000, "turnover": 1_000}
        return Parsed(rows=rows, cells=cells, rejected=rejected, fields=frozenset(BAR_FIELDS), rounded=rounded)
