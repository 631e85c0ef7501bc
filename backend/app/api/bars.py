"""Daily bars of one security."""

from __future__ import annotations

import json
from datetime import date
from enum import StrEnum
from fractions import Fraction
from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from app.api.instants import AsOf
from app.api.replies import Price, Reply, ThePlatform, failures
from app.market.adjustment import Adjustment, Direction, Method
from app.market.adjustment import adjusted as adjust
from app.market.bar import PRICE_SCALE, Bar
from app.services.history import read_history
from app.store.bar_reads import BarValues
from app.store.engine import transaction

router = APIRouter(prefix="/api/v1/bars", tags=["bars"])


METHODS = (
    "total_return: for all that holders got; split_only: cash dividends stay in, except TWSE's that come with free "
    "shares on one day (權息) and what a reduction pays: of those the exchange tells only one price for both"
)


class Adjusted(StrEnum):
    """Whether prices are adjusted for corporate actions, and which end of the history stays raw."""

    NONE = "none"
    BACK = "back"
    FORWARD = "forward"


class BarRow(BaseModel):
    """One session: raw price = price / applied_factor. null: the exchange publishes none, which is not zero."""

    session: date
    open: Price = Field(examples=["998.5"])
    high: Price
    low: Price
    close: Price
    change: Price = Field(description="against the session before; null on days when that cannot be compared")
    volume: int | None = Field(description="shares; adjusted: raw / applied_factor", examples=[32_150_000])
    turnover: int | None = Field(description="TWD")
    trades: int | None = Field(description="number of trades")
    applied_factor: float = Field(
        description="what these prices were multiplied with already: 1 of raw ones, whatever actions there were"
    )


class BarsReply(Reply):
    """Bars, oldest first."""

    symbol: str
    currency: str = "TWD"
    adjusted: Adjusted
    method: Method | None = Field(description="null: prices are raw")
    count: int
    more: bool = Field(description="whether the range holds older bars than these; ask again with an earlier `end`")
    bars: list[BarRow]


@router.get("/{symbol}", summary="Daily bars of a security", response_model=BarsReply, responses=failures(404, 422))
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
    method: Annotated[Method, Query(description=METHODS)] = Method.TOTAL_RETURN,
    as_of: AsOf = None,
) -> Response:
    """Open, high, low, close, volume, turnover and number of trades, as published or adjusted by corporate actions.

    Adjusted prices are rounded to a millionth of a TWD, volume to a share. With as_of nothing is seen that came later:
    neither a bar, nor a correction of one, nor an action. Instants of the last minute may still change: what is being
    written now is told from the moment at which it began.
    """
    adjustment = None if adjusted is Adjusted.NONE else Adjustment(Direction(adjusted.value), method)
    with transaction(platform.engine) as connection:
        history = read_history(
            connection, symbol, start=start, end=end, limit=limit, adjustment=adjustment, as_of=as_of
        )
    head = {
        "source": platform.settings.quantlab_source,
        "symbol": symbol,
        "currency": "TWD",
        "adjusted": adjusted,
        "method": None if adjusted is Adjusted.NONE else method,
        "count": len(history.rows),
        "more": history.more,
    }
    if adjustment:
        rows = [_row(bar, history.factors.factor_on(bar.session)) for bar in history.bars]
    else:
        rows = [_raw_row(row) for row in history.rows]
    return Response(f'{json.dumps(head)[:-1]}, "bars": [{",".join(rows)}]}}', media_type="application/json")


# Rows are written as text, not by way of BarRow and FastAPI, which took four times as long as the database; a test
# holds the one against the other.
def _raw_row(row: BarValues) -> str:
    """A BarRow as JSON. Ten digits are all that a price has: a float of them comes back as the exact decimal."""
    session, first, high, low, close, change, volume, turnover, trades = row
    if first is None or high is None or low is None or close is None or change is None:
        return _row(Bar("", *row), Fraction(1))
    return (
        f'{{"session":"{session}","open":"{first / PRICE_SCALE:.10g}","high":"{high / PRICE_SCALE:.10g}",'
        f'"low":"{low / PRICE_SCALE:.10g}","close":"{close / PRICE_SCALE:.10g}","change":"{change / PRICE_SCALE:.10g}",'
        f'"volume":{_number(volume)},"turnover":{_number(turnover)},"trades":{_number(trades)},"applied_factor":1.0}}'
    )


def _row(bar: Bar, factor: Fraction) -> str:
    made = adjust(bar, factor)
    prices = {name: None if price is None else f"{price:f}" for name, price in made.prices.items()}
    amounts = {"volume": made.volume, "turnover": bar.turnover, "trades": bar.trades}
    return json.dumps({"session": str(bar.session), **prices, **amounts, "applied_factor": float(factor)})


def _number(value: int | None) -> str:
    return "null" if value is None else str(value)
