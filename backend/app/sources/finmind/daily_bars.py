"""One security over a range of days, as FinMind has it: TaiwanStockPrice of its API v4, since 1994-10."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import Any, ClassVar

from app.errors import InvalidRow, NoData, RateLimited, SourceChanged, SourceRefused, WrongDate
from app.market.bar import BAR_FIELDS, Bar
from app.market.comparison import EXACT, Tolerance
from app.sources import parsing
from app.sources.bars import bar, bar_key, symbol_of
from app.sources.base import Dataset, Parsed, RangeQuery, Request, Site
from app.sources.envelope import json_object, list_of
from app.sources.rows import Row, object_rows, read_rows

COLUMNS = (
    "date",
    "stock_id",
    "Trading_Volume",
    "Trading_money",
    "open",
    "max",
    "min",
    "close",
    "spread",
    "Trading_turnover",
)

TOLERANCES: Mapping[str, Tolerance] = dict.fromkeys(BAR_FIELDS, EXACT)
"""It copies the exchanges' own cells: shares, TWD, counts, and prices with all their decimals. Nothing is rounded."""

_ZERO = re.compile(r"0+(\.0+)?")
_DECIMALS = re.compile(r"(?<=[0-9])\.0+$")


class DailyBars(Dataset[RangeQuery, Bar]):
    """Raw bars. ``spread`` is the change, and ``Trading_turnover`` the number of trades."""

    name: ClassVar[str] = "daily_bars"

    def request(self, query: RangeQuery) -> Request:
        """TaiwanStockPrice of the range; the client adds the token, if there is one."""
        params = (
            ("dataset", "TaiwanStockPrice"),
            ("data_id", query.symbol),
            ("start_date", query.start.isoformat()),
            ("end_date", query.end.isoformat()),
        )
        return Request(Site.FINMIND, "/data", params)

    def parse(self, body: bytes, query: RangeQuery) -> Parsed[Bar]:
        """Bars; it writes 0 into every cell of a day without a price: those are absent."""
        document = json_object(body, site=Site.FINMIND)
        _require_success(document)
        lines = list_of(document, "data", site=Site.FINMIND)
        if not lines:
            raise NoData(
                f"{Site.FINMIND} has no row of {query.symbol} from {query.start} to {query.end}", site=Site.FINMIND
            )
        rows, rejected = read_rows(
            object_rows(lines, COLUMNS, site=Site.FINMIND),
            lambda row: _bar(row, query),
            key=bar_key,
            symbol="stock_id",
            session=lambda row: parsing.gregorian_date(row["date"]),
        )
        return Parsed(rows=rows, rejected=rejected, fields=frozenset(BAR_FIELDS))


def _bar(row: Row, query: RangeQuery) -> Bar:
    symbol = symbol_of(row["stock_id"])
    if symbol != query.symbol:
        raise InvalidRow(f"the row is of {symbol}, and {query.symbol} was asked for", rule="other-symbol")
    prices = (row["open"], row["max"], row["min"], row["close"])
    silent = all(_ZERO.fullmatch(text.strip()) for text in prices)

    def count(column: str) -> int | None:
        value = parsing.integer(_DECIMALS.sub("", row[column].strip()))  # some columns are floats there
        return None if silent and value == 0 else value

    return bar(
        symbol,
        _within(parsing.gregorian_date(row["date"]), query),
        prices=("", "", "", "") if silent else prices,
        change=parsing.change(row["spread"]),
        volume=count("Trading_Volume"),
        turnover=count("Trading_money"),
        trades=count("Trading_turnover"),
    )


def _within(session: date, query: RangeQuery) -> date:
    """The session, if it was asked for; else the whole reply answers another question: WrongDate."""
    if not query.start <= session <= query.end:
        message = f"{Site.FINMIND} was asked for {query.start} to {query.end} and answered with {session}"
        raise WrongDate(message, site=Site.FINMIND, asked=query.start, found=session, rule="date-echo")
    return session


def _require_success(document: Mapping[str, Any]) -> None:
    """Go on only when the body's own ``status`` is 200: it repeats the state of HTTP, or contradicts it."""
    status, said = document.get("status"), str(document.get("msg"))[:200]
    if status == "200":
        return
    if status == "402":
        message = f"{Site.FINMIND} says that the hour's requests are used up: {said}"
        raise RateLimited(message, site=Site.FINMIND, retry_after=3600)
    if status in ("400", "401", "403"):
        raise SourceRefused(f"{Site.FINMIND} refuses us ({status}): {said}", site=Site.FINMIND)
    raise SourceChanged(f"{Site.FINMIND} answered with the status {str(status)[:80]}: {said}", site=Site.FINMIND)
