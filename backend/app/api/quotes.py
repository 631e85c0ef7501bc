"""The latest quotes, as long as they are fresh."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from app.api.replies import Price, Reply, ThePlatform, failures
from app.cache import quotes as cache
from app.cache.keys import QUOTES
from app.core.wiring import now
from app.errors import InvalidParameter
from app.market.security import Venue, is_symbol

router = APIRouter(prefix="/api/v1/quotes", tags=["quotes"])

MOST_SYMBOLS = 500


class Order(BaseModel):
    """One step of the book."""

    price: Price
    volume: int = Field(description="shares")


class QuoteRow(BaseModel):
    """An intraday snapshot. null: the exchange shows none at that moment."""

    symbol: str
    name: str
    venue: Venue
    at: datetime = Field(description="instant of the last match")
    last: Price
    open: Price
    high: Price
    low: Price
    reference: Price = Field(description="the price from which the day's limits are counted")
    limit_up: Price
    limit_down: Price
    volume: int | None = Field(description="shares so far")
    bids: list[Order]
    asks: list[Order]
    fetched_at: datetime


class QuotesReply(Reply):
    """Quotes by symbol."""

    count: int
    fresh_seconds: int = Field(QUOTES.ttl, description="older quotes than this are not shown")
    absent: list[str] = Field(description="asked for, but without a fresh quote; run app.tasks.sync_latest_prices")
    quotes: list[QuoteRow]


@router.get("", summary="Latest quotes", response_model=QuotesReply, responses=failures(422))
def get_quotes(
    platform: ThePlatform,
    symbols: Annotated[
        str | None, Query(description="symbols by commas; all fresh ones when left out", examples=["2330,2317"])
    ] = None,
) -> Response:
    """Quotes that app.tasks.sync_latest_prices fetched within the last five minutes."""
    wanted = None if symbols is None else [part.strip() for part in symbols.split(",") if part.strip()]
    if wanted is not None:
        wrong = [symbol for symbol in wanted if not is_symbol(symbol)]
        if wrong or not wanted:
            raise InvalidParameter(f"symbols is {symbols!r}: write symbols such as 2330 with commas between them.")
        if len(wanted) > MOST_SYMBOLS:
            raise InvalidParameter(f"{len(wanted)} symbols are asked for; {MOST_SYMBOLS} at most, or none for all.")
    texts = cache.load_texts(platform.redis, wanted, now=now())
    head = {
        "source": platform.settings.quantlab_source,
        "count": len(texts),
        "fresh_seconds": QUOTES.ttl,
        "absent": sorted(set(wanted or ()) - texts.keys()),
    }
    # They were written as QuoteRow has them: passed on as text, 2,700 of them take no longer than Redis does.
    opened = json.dumps(head).removesuffix("}").encode()
    return Response(opened + b', "quotes":[' + b",".join(texts.values()) + b"]}", media_type="application/json")
