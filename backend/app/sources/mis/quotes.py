"""Quotes of up to 80 securities of both venues: MIS getStockInfo, refreshed every five seconds in the session."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, time
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from app.errors import InvalidParameter, InvalidRow, NoData, SourceUnavailable
from app.market.quote import Quote
from app.market.security import Venue, lot_size
from app.sources import parsing
from app.sources.base import Dataset, Parsed, QuotesQuery, Request, Site
from app.sources.envelope import json_object, list_of
from app.sources.rows import Row, cell, read_rows, row_of

MAX_SYMBOLS = 80
COLUMNS = ("c", "ex", "n", "d", "t")
"""The keys that every quote carries; all others may be absent."""
_READ = frozenset({*COLUMNS, *"zohlyuwvbgaf", "trade", "trade.z", "trade.t"})
_CLOCK = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]")
_AT_MARKET = re.compile(r"0+(?:\.0+)?")
_TAIPEI = ZoneInfo("Asia/Taipei")
_PREFIX = {Venue.TWSE: "tse", Venue.TPEX: "otc"}
_VENUE = {prefix: venue for venue, prefix in _PREFIX.items()}
_NO_LIMIT = frozenset({99_999_500, 100})  # 9999.95 and 0.01 TWD: the exchanges' way of printing that there is none
_FIELDS = frozenset(Quote.__dataclass_fields__)


class Quotes(Dataset[QuotesQuery, Quote]):
    """Snapshots, matched by symbol: the site answers in its own order, and a placeholder for an unknown symbol."""

    name: ClassVar[str] = "quotes"
    warm_up: ClassVar[str | None] = "/stock/index.jsp"  # seen needed in 2018, not in 2026: only a fallback

    def request(self, query: QuotesQuery) -> Request:
        """One request for all; InvalidParameter for none, for more than 80, or for a venue without quotes."""
        if not 1 <= len(query.securities) <= MAX_SYMBOLS:
            count = len(query.securities)
            raise InvalidParameter(f"{count} securities were asked for; a request takes 1 to {MAX_SYMBOLS}")
        if odd := [symbol for venue, symbol in query.securities if venue not in _PREFIX]:
            raise InvalidParameter(f"{', '.join(odd)}: only securities of TWSE and TPEX have quotes here")
        channels = "|".join(f"{_PREFIX[venue]}_{symbol}.tw" for venue, symbol in query.securities)
        return Request(Site.MIS, "/stock/api/getStockInfo.jsp", (("ex_ch", channels), ("json", "1"), ("delay", "0")))

    def parse(self, body: bytes, query: QuotesQuery) -> Parsed[Quote]:
        """Quotes of those asked for that the site knows; NoData if it knows none of them.

        SourceUnavailable with ``needs_warm_up`` True when it wants a session cookie first.
        """
        document = json_object(body, site=Site.MIS)
        code = str(document.get("rtcode", ""))
        if code != "0000":
            message = str(document.get("rtmessage", ""))[:200]
            raise SourceUnavailable(f"MIS answered {code[:20]}: {message}", site=Site.MIS)
        if "msgArray" not in document:
            raise SourceUnavailable("MIS wants a session first", site=Site.MIS, needs_warm_up=True)
        rows = [_row(line) for line in list_of(document, "msgArray", site=Site.MIS)]
        known = [row for row in rows if not _is_placeholder(row)]
        if not known:
            raise NoData("MIS knows none of the securities that were asked for", site=Site.MIS)
        parsing.columns({key for row in known for key in row}, COLUMNS, site=Site.MIS)
        asked = set(query.securities)

        def read(row: Row) -> Quote:
            quote = _quote(row)
            if (quote.venue, quote.symbol) not in asked:
                raise InvalidRow(f"{quote.symbol} of {quote.venue} was not asked for", rule="not-asked")
            return quote

        values, rejected = read_rows(known, read, key=lambda quote: (quote.venue, quote.symbol), symbol="c")
        return Parsed(rows=values, rejected=rejected, fields=_FIELDS)


def _row(line: Any) -> Row:
    if not isinstance(line, dict):
        return Row({"row": cell(line)})
    cells = dict(line)
    trade = cells.get("trade")  # new in 2026: the last real match, where z shows none between two matches
    if isinstance(trade, dict):
        del cells["trade"]
        cells |= {f"trade.{key}": value for key, value in trade.items()}
    return row_of([parsing.field_name(key) for key in cells], cells.values(), _READ)


def _is_placeholder(row: Row) -> bool:
    """Whether it stands for a symbol that the site does not know: ``{"tv":"-","s":"-","c":"","z":"-"}``."""
    return not row.get("c", "-").strip() and row.keys().isdisjoint(COLUMNS[1:])


def _quote(row: Row) -> Quote:
    symbol = row["c"].strip()
    venue = _VENUE.get(row["ex"].strip())
    if venue is None:
        raise parsing.unreadable(row["ex"], "a venue")
    lot = lot_size(symbol)
    last, at = parsing.price(row.get("z", "-")), row["t"]
    if last is None and (last := parsing.price(row.get("trade.z", "-"))) is not None:
        at = row.get("trade.t", at)
    opened, high, low = (parsing.price(row.get(key, "-")) for key in "ohl")
    if low is not None and high is not None and any(p is not None and not low <= p <= high for p in (opened, last)):
        raise InvalidRow(f"open {opened} or last {last} lies outside of {low} to {high}", rule="ohlc-order")
    return Quote(
        symbol=symbol,
        name=parsing.name(row["n"]),
        venue=venue,
        at=_instant(row["d"], at),
        last=last,
        open=opened,
        high=high,
        low=low,
        reference=parsing.price(row.get("y", "-")),
        limit_up=_limit(row, "u"),
        limit_down=_limit(row, "w"),
        volume=parsing.integer(row.get("v", "-"), times=lot),
        bids=_levels(row, "b", "g", lot),
        asks=_levels(row, "a", "f", lot),
    )


def _instant(day: str, clock: str) -> datetime:
    """``20260930`` and ``13:30:00`` as an instant; ``tlong`` is no use, it holds the after-hours session's 14:30."""
    if _CLOCK.fullmatch(clock.strip()) is None:
        raise parsing.unreadable(clock, "a time of day")
    return datetime.combine(parsing.gregorian_date(day), time.fromisoformat(clock.strip()), _TAIPEI)


def _limit(row: Mapping[str, str], key: str) -> int | None:
    limit = parsing.price(row.get(key, "-"))
    return None if limit in _NO_LIMIT else limit


def _levels(row: Mapping[str, str], prices: str, sizes: str, lot: int) -> tuple[tuple[int, int], ...]:
    """``593.0000_594.0000_`` with ``1938_1465_`` as (price, shares). Orders at the market (price 0) are no level."""
    price_cells, size_cells = (
        [text for text in row.get(key, "-").split("_") if not parsing.absent(text)] for key in (prices, sizes)
    )
    if len(price_cells) != len(size_cells):
        raise parsing.unreadable(row.get(prices, "") + " / " + row.get(sizes, ""), "prices and as many sizes")
    levels = []
    for price_cell, size_cell in zip(price_cells, size_cells, strict=True):
        size = parsing.integer(size_cell, times=lot)
        if _AT_MARKET.fullmatch(price_cell.strip()):
            continue
        price = parsing.price(price_cell)
        if price is not None and size is not None:
            levels.append((price, size))
    if [price for price, _ in levels] != sorted({price for price, _ in levels}, reverse=prices == "b"):
        raise InvalidRow(f"the prices of {prices} are not in order, best first: {levels}", rule="book-order")
    return tuple(levels)
