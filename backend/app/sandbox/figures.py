"""Synthetic figures beside the prices: pure functions of a row and the one before it, so that any day reads the same.

They fit the volumes: nobody buys or sells more than was traded, sums add up, and a balance is yesterday's, plus what
came, less what went.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from hashlib import blake2b
from zlib import crc32

from app.market.security import SecurityKind, lot_size
from app.sandbox.rows import DayRow

_SHARES = {"foreign": 0.30, "trust": 0.08, "dealer_self": 0.05, "dealer_hedge": 0.07}
"""The most of a session's volume that each kind of investor buys, and sells."""
_LENT = {"margin": 0.30, "short": 0.05}
"""The most of a session's volume that is left over at its end."""


@dataclass(frozen=True, slots=True)
class Deal:
    """Shares, or lots."""

    buy: int
    sell: int

    @property
    def net(self) -> int:
        """Bought less sold."""
        return self.buy - self.sell

    def __add__(self, other: Deal) -> Deal:
        return Deal(self.buy + other.buy, self.sell + other.sell)


@dataclass(frozen=True, slots=True)
class Lent:
    """Margin purchases or short sales in lots; the balance is ``previous`` plus what was lent, less what came back."""

    buy: int
    sell: int
    repaid: int
    previous: int
    balance: int


def fraction(what: str, symbol: str, session: date | None = None) -> float:
    """A number in [0, 1) that is the same whenever it is asked for."""
    word = blake2b(f"{what}:{symbol}:{session}".encode(), digest_size=8).digest()
    return int.from_bytes(word, "little") / 2**64


def institutional(row: DayRow) -> Mapping[str, Deal] | None:
    """What each kind of investor traded, in shares; None where none of them did."""
    volume = row.volume or 0
    if volume < 1_000 or fraction("absent", row.symbol, row.session) < 0.05:
        return None

    def part(party: str, side: str) -> int:
        return int(volume * _SHARES[party] * fraction(f"{party} {side}", row.symbol, row.session))

    return {party: Deal(part(party, "buys"), part(party, "sells")) for party in _SHARES}


def lent(kind: str, row: DayRow, before: DayRow | None) -> Lent:
    """``margin`` or ``short`` of *row*, whose session before was *before*."""
    lots = (row.volume or 0) // lot_size(row.symbol)
    balance, previous = _balance(kind, row), _balance(kind, before or row, new=before is None)
    rise, fall = max(balance - previous, 0), max(previous - balance, 0)
    traded_away = min(fall, lots // 2)  # the rest is paid back, which takes no trade
    churn = int(lots * 0.05 * fraction(f"{kind} churn", row.symbol, row.session))
    opened, closed = rise + churn, traded_away + churn
    buy, sell = (opened, closed) if kind == "margin" else (closed, opened)
    return Lent(buy, sell, fall - traded_away, previous, balance)


def _balance(kind: str, row: DayRow, *, new: bool = False) -> int:
    base = int(20_000 * fraction(f"{kind} base", row.symbol) ** 4)
    lots = 0 if new else (row.volume or 0) // lot_size(row.symbol)
    return base + int(lots * _LENT[kind] * fraction(kind, row.symbol, row.session))


def offset(row: DayRow) -> int:
    """Lots bought on margin and sold short in one session."""
    return int((row.volume or 0) // lot_size(row.symbol) * 0.01 * fraction("offset", row.symbol, row.session))


def is_lent(row: DayRow) -> bool:
    """Whether the security can be bought on margin."""
    kinds = (SecurityKind.STOCK, SecurityKind.ETF)
    return row.listed.security.kind in kinds and fraction("lent", row.symbol) < 0.85


def price_earnings(symbol: str) -> str | None:
    """As MI_INDEX has it too; None for a company that earns nothing."""
    return None if fraction("loss", symbol) < 0.15 else f"{5 + crc32(symbol.encode()) % 3000 / 100:.2f}"


def dividend_yield(symbol: str) -> str:
    """In percent."""
    return f"{8 * fraction('dividend', symbol):.2f}"


def price_book(symbol: str) -> str:
    """Price-book ratio."""
    return f"{0.4 + 5 * fraction('book', symbol):.2f}"
