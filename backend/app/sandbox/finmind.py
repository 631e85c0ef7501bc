"""FinMind's API v4 over the sandbox's prices, with a few cells that deliberately are not the exchanges'.

Of 500 rows of a security and session, by a hash of both (``slip``): one has a close that is a tick off, one a volume
that leaves some trades out (as Yahoo's does), and one is missing. That is what a referee has to find.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from enum import IntEnum
from typing import Any
from zlib import crc32

from app.errors import InvalidParameter
from app.market.limits import tick_size
from app.market.security import BAR_VENUES
from app.sandbox.cells import read_date
from app.sandbox.exchange import Exchange
from app.sandbox.rows import DayRow

ONE_IN = 500


class Slip(IntEnum):
    """What is wrong with a row; its remainder of the hash."""

    CLOSE = 0
    VOLUME = 1
    MISSING = 2


def slip(symbol: str, session: date) -> Slip | None:
    """What is wrong with that row, which is the same on every machine and at every time; None: nothing."""
    rest = crc32(f"{symbol} {session}".encode()) % ONE_IN
    return Slip(rest) if rest < len(Slip) else None


def answer(exchange: Exchange, asked: Mapping[str, str]) -> tuple[int, dict[str, Any]]:
    """The HTTP status and the body."""
    try:
        start, end = (read_date(asked.get(name, "")) for name in ("start_date", "end_date"))
    except InvalidParameter as error:
        return _refusal(str(error))
    if asked.get("dataset") != "TaiwanStockPrice" or not asked.get("data_id"):
        return _refusal("The sandbox has TaiwanStockPrice of one data_id only.")
    start, end = exchange.asked_for(start), min(exchange.asked_for(end), exchange.published_until())
    rows = exchange.source.history(asked["data_id"], start, end)
    lines = [_line(row, slip(row.symbol, row.session)) for row in rows if row.listed.security.venue in BAR_VENUES]
    return 200, {"msg": "success", "status": 200, "data": [line for line in lines if line]}


def _refusal(why: str) -> tuple[int, dict[str, Any]]:
    return 400, {"msg": why, "status": 400}


def _line(row: DayRow, wrong: Slip | None) -> dict[str, Any] | None:
    if wrong is Slip.MISSING:
        return None
    silent = row.close is None
    return {
        "date": row.session.isoformat(),
        "stock_id": row.symbol,
        "Trading_Volume": 0 if silent else _volume(row, wrong),
        "Trading_money": 0 if silent else row.turnover or 0,
        "open": _price(row.open),
        "max": _price(row.high),
        "min": _price(row.low),
        "close": _price(_close(row, wrong)),
        "spread": _price(row.change),
        "Trading_turnover": 0 if silent else row.trades or 0,
    }


def _price(price: int | None) -> float:
    """TWD; it writes 0 for what is absent."""
    return 0.0 if price is None else price / 10_000


def _close(row: DayRow, wrong: Slip | None) -> int | None:
    """A tick lower, or higher, whichever the day's range has room for."""
    if wrong is not Slip.CLOSE or row.close is None or row.low is None or row.high is None:
        return row.close
    tick = tick_size(row.close, row.listed.security.kind)
    below = row.close - tick
    return below if below >= row.low else min(row.close + tick, row.high)


def _volume(row: DayRow, wrong: Slip | None) -> int:
    volume = row.volume or 0
    return volume * 992 // 1000 if wrong is Slip.VOLUME else volume
