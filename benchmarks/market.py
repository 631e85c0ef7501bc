"""A made-up market in the size of Taiwan's, the same every time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import numpy as np
from sqlalchemy import Engine

from app.market.bar import Bar
from app.market.security import Security, SecurityKind, Venue
from app.store.engine import transaction
from app.store.securities import ids_for, save_list

SECURITIES = 2_468
NOW = datetime(2025, 1, 2, 14, 0, tzinfo=UTC)
UNTRADED = 0.03
"""Share of bars without any trade: their prices are absent, as the exchanges print them."""


def sessions(count: int) -> list[date]:
    """*count* weekdays."""
    start = date(2024, 1, 2)
    days = (start + timedelta(offset) for offset in range(count * 7 // 5 + 7))
    return [day for day in days if day.weekday() < 5][:count]


def symbols(count: int = SECURITIES) -> list[str]:
    return [str(1000 + number) for number in range(count)]


def list_market(engine: Engine) -> dict[str, int]:
    """Put the securities into the store; symbol → id."""
    rows = [Security(symbol, f"公司{symbol}", Venue.TWSE, SecurityKind.STOCK) for symbol in symbols()]
    with transaction(engine) as connection:
        save_list(connection, Venue.TWSE, rows, at=NOW)
        return ids_for(connection, symbols())


def bars(days: Sequence[date], *, seed: int = 1, steady: bool = False) -> list[Bar]:
    """Every security on every day, by day and symbol.

    *steady*: the gate may compare them with any other day's, for each closes where it always does.
    """
    random = np.random.default_rng(seed)
    size = (len(days), SECURITIES)
    # Every price is on a tick and within the limits of its reference, or the gate would set the market aside.
    close = random.integers(1, 20, size) * 500_000
    if steady:
        close[:] = np.random.default_rng(0).integers(1, 20, SECURITIES) * 500_000
    spread = random.integers(1, 3, size) * 10_000
    volume = random.integers(1_000, 100_000_000, size)
    traded = random.random(size) >= UNTRADED
    made = []
    for row, day in enumerate(days):
        columns = (close[row].tolist(), spread[row].tolist(), volume[row].tolist(), traded[row].tolist())
        for symbol, price, step, shares, there in zip(symbols(), *columns, strict=True):
            if there:
                value = shares * price // 10_000
                change = 0 if steady else -step
                one = Bar(
                    symbol, day, price - step, price + step, price - step, price, change, shares, value, shares // 1000
                )
            else:
                one = Bar(symbol, day, volume=0, turnover=0, trades=0)
            made.append(one)
    return made
