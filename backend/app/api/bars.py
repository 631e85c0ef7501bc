"""Daily bars of one security."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from fractions import Fraction
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from app.api.replies import Price, Reply, ThePlatform, failures
from app.api.securities import unknown_symbol
from app.errors import InvalidParameter
from app.market.adjustment import Adjustment, Direction, Factors, Method, factors_of
from app.market.adjustment import adjusted as adjust
from app.market.bar import PRICE_FIELDS, Bar, to_decimal
from app.store import securities
from app.store.bar_reads import held_range, read_bars
from app.store.corporate_actions import list_actions
from app.store.engine import Connection, transaction

router = APIRouter(prefix="/api/v1/bars", tags=["bars"])


class Adjusted(StrEnum):
    """Whether prices are adjusted for corporate actions, and which end of the history stays raw."""

    NONE = "none"
    BACK = "back"
    FORWARD = "forward"


class BarRow(BaseModel):
    """One session: raw price = price / factor. null: the exchange publishes none, which is not zero."""

    session: date
    open: Price = Field(examples=["998.5"])
    high: Price
    low: Price
    close: Price
    change: Price = Field(description="against the session before; null on days when that cannot be compared")
    volume: int | None = Field(description="shares; adjusted: raw / factor", examples=[32_150_000])
    turnover: int | None = Field(description="TWD")
    trades: int | None = Field(description="number of trades")
    factor: float = Field(description="what raw prices were multiplied with; 1 unless adjusted")


class BarsReply(Reply):
    """Bars, oldest first."""

    symbol: str
    currency: str = "TWD"
    adjusted: Adjusted
    method: Method | None = Field(description="null: prices are raw")
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
    adjusted: Annotated[
        Adjusted, Query(description="none: as published; back: the newest price is raw; forward: the oldest held is")
    ] = Adjusted.NONE,
    method: Annotated[
        Method, Query(description="total_return: for all that holders got; split_only: cash dividends stay in")
    ] = Method.TOTAL_RETURN,
) -> BarsReply:
    """Open, high, low, close, volume, turnover and number of trades, as published or adjusted by corporate actions.

    Adjusted prices are rounded to a millionth of a TWD, volume to a share.
    """
    if start and end and start > end:
        raise InvalidParameter(f"start {start} is later than end {end}.")
    with transaction(platform.engine) as connection:
        if securities.find(connection, symbol) is None:
            raise unknown_symbol(symbol)
        found = read_bars(connection, symbol, start=start, end=end, limit=limit + 1)
        factors = Factors() if adjusted is Adjusted.NONE else _factors(connection, symbol, adjusted, method)
    newest = found[-limit:]
    return BarsReply(
        source=platform.settings.quantlab_source,
        symbol=symbol,
        adjusted=adjusted,
        method=None if adjusted is Adjusted.NONE else method,
        count=len(newest),
        more=len(found) > limit,
        bars=[_row(bar, factors.factor_on(bar.session)) for bar in newest],
    )


def _factors(connection: Connection, symbol: str, adjusted: Adjusted, method: Method) -> Factors:
    """Over the whole history that is held, so that every page of it fits the others."""
    first, last = held_range(connection, symbol) or (None, None)
    actions = [held.action for held in list_actions(connection, symbol=symbol)]
    return factors_of(actions, Adjustment(Direction(adjusted.value), method), first=first, last=last)


def _row(bar: Bar, factor: Fraction) -> BarRow:
    if factor == 1:
        prices = {
            name: None if (price := getattr(bar, name)) is None else str(to_decimal(price)) for name in PRICE_FIELDS
        }
        volume = bar.volume
    else:
        made = adjust(bar, factor)
        prices = {name: None if price is None else f"{price:f}" for name, price in made.prices.items()}
        volume = made.volume
    return BarRow(
        session=bar.session,
        volume=volume,
        turnover=bar.turnover,
        trades=bar.trades,
        factor=float(factor),
        **prices,
    )
