"""Latest quotes: one hash for the whole market, written in one go."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, cast

import redis

from app.cache.client import redis_errors
from app.cache.keys import QUOTES, QUOTES_SAVED
from app.market.bar import to_decimal
from app.market.quote import Quote


def _amount(price: int | None) -> str | None:
    return None if price is None else str(to_decimal(price))


def _book(side: Sequence[tuple[int, int]]) -> list[dict[str, Any]]:
    return [{"price": _amount(price), "volume": volume} for price, volume in side]


def as_json(quote: Quote, *, fetched_at: datetime) -> dict[str, Any]:
    """*quote* as the API shows it: prices in TWD as text (exact), volume in shares, absent is null."""
    return {
        "symbol": quote.symbol,
        "name": quote.name,
        "venue": quote.venue.value,
        "at": quote.at.isoformat(),
        "last": _amount(quote.last),
        "open": _amount(quote.open),
        "high": _amount(quote.high),
        "low": _amount(quote.low),
        "reference": _amount(quote.reference),
        "limit_up": _amount(quote.limit_up),
        "limit_down": _amount(quote.limit_down),
        "volume": quote.volume,
        "bids": _book(quote.bids),
        "asks": _book(quote.asks),
        "fetched_at": fetched_at.isoformat(),
    }


def save(client: redis.Redis, quotes: Iterable[Quote], *, at: datetime) -> int:
    """Write *quotes* fetched at the instant *at*; returns how many."""
    fields: dict[str | bytes, bytes | float | int | str] = {
        quote.symbol: json.dumps(as_json(quote, fetched_at=at), ensure_ascii=False, separators=(",", ":"))
        for quote in quotes
    }
    if fields:
        with redis_errors(), client.pipeline() as pipe:
            pipe.hset(QUOTES.pattern, mapping=fields)
            pipe.expire(QUOTES.pattern, QUOTES.ttl)
            pipe.set(QUOTES_SAVED.pattern, at.isoformat(), ex=QUOTES_SAVED.ttl)
            pipe.execute()
    return len(fields)


def last_saved(client: redis.Redis) -> datetime | None:
    """When quotes were last saved; None: not within a day, or Redis was emptied."""
    with redis_errors():
        value = cast("bytes | None", client.get(QUOTES_SAVED.pattern))
    return None if value is None else datetime.fromisoformat(value.decode())


def load(client: redis.Redis, symbols: Sequence[str] | None = None, *, now: datetime) -> list[dict[str, Any]]:
    """The quotes that are younger than their life, by symbol; all of them without *symbols*."""
    return [json.loads(text) for text in load_texts(client, symbols, now=now).values()]


def load_texts(client: redis.Redis, symbols: Sequence[str] | None = None, *, now: datetime) -> dict[str, bytes]:
    """The same as symbol → JSON text, as it was written: for who passes it on.

    The hash lives as long as its newest write, so each quote's own age is checked as well.
    """
    with redis_errors():
        if symbols is None:  # without their keys, for each value costs a client more than its bytes
            values = cast("list[Any]", client.hvals(QUOTES.pattern))
        else:
            values = cast("list[Any]", client.hmget(QUOTES.pattern, list(symbols))) if symbols else []
    texts: list[bytes] = sorted(text for text in values if text is not None)  # each begins with its symbol
    fetched = [_fetched_at(text) for text in texts]
    # Many were fetched at one instant: each instant is read once.
    fresh = {at for at in set(fetched) if (now - datetime.fromisoformat(at.decode())).total_seconds() < QUOTES.ttl}
    return {_symbol(text): text for text, at in zip(texts, fetched, strict=True) if at in fresh}


_FIRST = len('{"symbol":"')


def _symbol(text: bytes) -> str:
    """Of a quote as ``save`` writes it, without reading the rest: it stands first."""
    return text[_FIRST : text.index(b'"', _FIRST)].decode()


def _fetched_at(text: bytes) -> bytes:
    """Of a quote as ``save`` writes it, without reading the rest: it stands last."""
    return text[text.rindex(b':"') + 2 : -2]
