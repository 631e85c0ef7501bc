"""Daily bars of one security."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from app.api.replies import Price, Reply, ThePlatform, failures
from app.api.securities import unknown_symbol
from app.errors import InvalidParameter
from app.market.bar import PRICE_FIELDS, Bar, to_decimal
from app.store import securities
from app.store.bar_reads import read_bars
from app.store.engine import transaction

router = APIRouter(prefix="/api/v1/bars", tags=["bars"])


class BarRow(BaseModel):
    """One session, raw (unadjusted). null: the exchange publishes none, which is not zero."""

    session: date
    open: Price = Field(examples=["998.5"])
    high: Price
    low: Price
    close: Price
    change: Price = Field(description="against the session before; null on days when that cannot be compared")
    volume: int | None = Field(description="shares", examples=[32_150_000])
    turnover: int | None = Field(description="TWD")
    trades: int | None = Field(description="number of trades")


class BarsReply(Reply):
    """Bars, oldest first."""

    symbol: str
    currency: str = "TWD"
    count: int
    more: bool = Field(description="whether the range holds older bars than these; ask again with an earlier `end`")
    bars: list[BarRow]


@router.get("/{symbol}", summary="Daily bars of a security", responses=failures(404, 422))
def get_bars(
    platform: ThePlatform,
    symbol: str,
    *,
    start: Annotated[date | None, Query(description="first session, YYYY-MM-DD")] = None,
    end: Annotated[date | None, Query(description="last session, YYYY-MM-DD")] = None,
    limit: Annotated[int, Query(ge=1, le=10_000, description="the newest so many of the range")] = 250,
) -> BarsReply:
    """Open, high, low, close, volume, turnover and number of trades, as the exchange published them."""
    if start and end and start > end:
        raise InvalidParameter(f"start {start} is later than end {end}.")
    with transaction(platform.engine) as connection:
        if securities.find(connection, symbol) is None:
            raise unknown_symbol(symbol)
        found = read_bars(connection, symbol, start=start, end=end, limit=limit + 1)
    newest = found[-limit:]
    return BarsReply(
        source=platform.settings.quantlab_source,
        symbol=symbol,
        count=len(newest),
        more=len(found) > limit,
        bars=[_row(bar) for bar in newest],
    )


def _row(bar: Bar) -> BarRow:
    prices = {name: None if (price := getattr(bar, name)) is None else str(to_decimal(price)) for name in PRICE_FIELDS}
    return BarRow(session=bar.session, volume=bar.volume, turnover=bar.turnover, trades=bar.trades, **prices)
