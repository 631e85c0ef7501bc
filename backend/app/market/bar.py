"""The bar: one security's open, high, low, close, volume in one session."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

PRICE_SCALE = 10_000
"""Prices are integers in 1/10,000 TWD: exact, four decimals as the exchanges print, four bytes in the store."""

MAX_PRICE = 2**31 - 1
"""The largest price the store can hold, 214,748.3647 TWD; the dearest share ever was about 1/20 of it."""

ABSENT = -(2**31)
"""Stands for None where values are columns of integers: below every value that a field can have."""

BAR_FIELDS = ("open", "high", "low", "close", "change", "volume", "turnover", "trades")
PRICE_FIELDS = ("open", "high", "low", "close", "change")

BAR_DATASETS = ("daily_bars", "month_bars")
"""The datasets that tell bars: of the whole market in a session, of one security in a month."""


@dataclass(frozen=True, slots=True)
class Bar:
    """Raw (unadjusted) values as published. None means that the source publishes no such value: never zero.

    ``open high low close change`` in 1/10,000 TWD, ``volume`` in shares, ``turnover`` in TWD, ``trades`` a count.
    ``change`` is None when the venue marks it as not comparable (``X0.00``, 除息, 除權).
    """

    symbol: str
    session: date
    open: int | None = None
    high: int | None = None
    low: int | None = None
    close: int | None = None
    change: int | None = None
    volume: int | None = None
    turnover: int | None = None
    trades: int | None = None


def to_decimal(price: int) -> Decimal:
    """1/10,000 TWD as TWD; exact."""
    return Decimal(price) / PRICE_SCALE


def to_price(value: Decimal | str | int) -> int:
    """TWD as 1/10,000 TWD. Raises ValueError for more than four decimals or no number at all."""
    try:
        scaled = Decimal(value) * PRICE_SCALE
        whole = int(scaled)
    except (ArithmeticError, ValueError) as error:
        raise ValueError(f"{value!r} is not a price") from error
    if whole != scaled:
        raise ValueError(f"{value!r} has more than four decimals")
    return whole
