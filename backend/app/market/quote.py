"""The quote: an intraday snapshot of one security."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from app.market.security import Venue


@dataclass(frozen=True, slots=True)
class Quote:
    """Prices in 1/10,000 TWD, volume accumulated in shares; None where the venue shows none.

    ``at`` is the instant of the last match (aware); ``reference`` the price from which limits are counted.
    Bids and asks are (price, shares), best first.
    """

    symbol: str
    name: str
    venue: Venue
    at: datetime
    last: int | None
    open: int | None
    high: int | None
    low: int | None
    reference: int | None
    limit_up: int | None
    limit_down: int | None
    volume: int | None
    bids: tuple[tuple[int, int], ...] = ()
    asks: tuple[tuple[int, int], ...] = ()
