"""Tick sizes and daily price limits of TWSE and TPEx.

Prices are ints in 1/10,000 TWD, as everywhere. Rules: TWSE operating rules art. 62 and 63, TPEx business rules
art. 35 and 41; both venues share them. Checked against every non-warrant row of TPEx's own 次日漲停價 and
次日跌停價 of 2023-01-30.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from datetime import date

from app.errors import InvalidParameter
from app.market.security import SecurityKind

_Bands = tuple[tuple[int, ...], tuple[int, ...]]

# (band starts in 1/10,000 TWD, tick within each band); the first band starts at nothing.
_STOCK: _Bands = (
    (100_000, 500_000, 1_000_000, 5_000_000, 10_000_000),
    (100, 500, 1_000, 5_000, 10_000, 50_000),
)
_WARRANT: _Bands = (
    (50_000, 100_000, 500_000, 1_000_000, 5_000_000),
    (100, 500, 1_000, 5_000, 10_000, 50_000),
)
_FUND: _Bands = ((500_000,), (100, 500))

_BANDS: dict[SecurityKind, _Bands] = {
    SecurityKind.STOCK: _STOCK,
    SecurityKind.INNOVATION: _STOCK,
    SecurityKind.PREFERRED: _STOCK,
    SecurityKind.TDR: _STOCK,
    SecurityKind.OTHER: _STOCK,
    SecurityKind.ETF: _FUND,
    SecurityKind.ETN: _FUND,
    SecurityKind.REIT: _FUND,
    SecurityKind.ABS: _FUND,
    SecurityKind.WARRANT: _WARRANT,
}

NORMAL_LIMIT_PERCENT = 10
LIMIT_SINCE = date(2015, 6, 1)
"""±10 % since then, ±7 % before."""
FORMER_LIMIT_PERCENT = 7

FREE_SESSIONS = 5
"""A newly listed share trades without limits in its first five sessions."""

NO_LIMIT_UP = 99_999_500
NO_LIMIT_DOWN = 100
"""What the venues print where no limit applies: 9999.95 and 0.01."""


def tick_bands(kind: SecurityKind) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The band starts and the tick of each band (one more than the starts), for vectorised use."""
    return _BANDS[kind]


def tick_size(price: int, kind: SecurityKind = SecurityKind.STOCK) -> int:
    """The smallest step of *price* for a security of *kind*; both in 1/10,000 TWD."""
    starts, ticks = _BANDS[kind]
    return ticks[bisect_right(starts, price)]


def is_on_tick(price: int, kind: SecurityKind = SecurityKind.STOCK) -> bool:
    """Whether an order could be placed at *price*."""
    return price > 0 and price % tick_size(price, kind) == 0


@dataclass(frozen=True, slots=True)
class PriceLimits:
    """The highest and lowest price of a session, in 1/10,000 TWD, both tradable prices."""

    up: int
    down: int

    def hold(self, price: int) -> bool:
        """Whether *price* lies within, the limits included."""
        return self.down <= price <= self.up


def price_limits(
    reference: int, kind: SecurityKind = SecurityKind.STOCK, *, percent: int = NORMAL_LIMIT_PERCENT
) -> PriceLimits:
    """The limits counted from *reference*, rounded inward to the tick of the band in which each limit lies.

    Where a tick is wider than the limit, one tick either way is allowed, and nothing trades below one tick.
    Raises InvalidParameter for a reference that is no price.
    """
    if reference <= 0:
        raise InvalidParameter(f"{reference} is no reference price: limits are counted from a price above zero.")
    raw_up = reference * (100 + percent) // 100
    raw_down = -(-reference * (100 - percent) // 100)
    up_tick, down_tick = tick_size(raw_up, kind), tick_size(raw_down, kind)
    up = raw_up // up_tick * up_tick
    down = -(-raw_down // down_tick) * down_tick
    smallest = tick_size(0, kind)
    if up <= reference < 10 * smallest:  # a penny stock, of which 10 % is less than a tick
        up = reference + smallest
    if down >= reference < 10 * smallest:
        down = max(reference - smallest, smallest)
    return PriceLimits(up=up, down=down)


def limit_percent(
    symbol: str,
    kind: SecurityKind,
    *,
    foreign: bool = False,
    sessions_since_listing: int | None = None,
    session: date | None = None,
) -> int | None:
    """How far a security may move in one session, in percent of its reference; None where no limit applies.

    *foreign* says that a fund's underlying is listed abroad: such funds move freely, as do bond funds, which
    their symbol's last letter B tells. Leveraged ones (letter L, twice the index) may move twice as far.
    *sessions_since_listing* counts from 0 on the first session. Warrants follow their underlying's move in TWD,
    which their own price does not tell: None. *session* is the day in question, a recent one when left out.
    """
    if kind is SecurityKind.WARRANT:
        return None
    percent = FORMER_LIMIT_PERCENT if session and session < LIMIT_SINCE else NORMAL_LIMIT_PERCENT
    if kind in (SecurityKind.ETF, SecurityKind.ETN):
        if foreign or symbol.endswith("B"):
            return None
        return 2 * percent if symbol.endswith("L") else percent
    if (
        kind in (SecurityKind.STOCK, SecurityKind.INNOVATION)
        and sessions_since_listing is not None
        and 0 <= sessions_since_listing < FREE_SESSIONS
    ):
        return None
    return percent
