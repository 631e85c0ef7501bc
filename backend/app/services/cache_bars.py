"""Keep the bars of the stocks that people ask for most in Redis, for minutes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from app.cache import values
from app.cache.keys import BARS, CacheKey
from app.market.bar import PRICE_FIELDS, Bar, to_decimal
from app.services.context import Context
from app.store.bar_reads import read_bars


def cache_bars(context: Context, symbols: Sequence[str], *, start: date, end: date, key: CacheKey = BARS) -> int:
    """Cache the held bars of *symbols* from *start* to *end*; returns of how many securities there were any."""
    found: dict[str, Any] = {}
    with context.writing() as connection:  # an attempt that lost its lease may have read old bars
        for symbol in symbols:
            bars = read_bars(connection, symbol, start=start, end=end)
            if bars:
                found[symbol] = [as_json(bar) for bar in bars]
        values.put(context.redis, key, found)
    return len(found)


def as_json(bar: Bar) -> dict[str, Any]:
    """A bar as the API shows it: prices in TWD as text (exact), volume in shares, turnover in TWD, absent is null."""
    prices = {name: getattr(bar, name) for name in PRICE_FIELDS}
    return {
        "session": bar.session.isoformat(),
        **{name: None if price is None else str(to_decimal(price)) for name, price in prices.items()},
        "volume": bar.volume,
        "turnover": bar.turnover,
        "trades": bar.trades,
    }
