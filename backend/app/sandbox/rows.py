"""What one security did in one session, and what any source of prices has to answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import Enum
from typing import Protocol

from app.sandbox.actions import ActionTables
from app.sandbox.listing import Listed


class Comparison(Enum):
    """How a session's close relates to its reference."""

    NORMAL = "normal"
    EX_DIVIDEND = "ex-dividend"
    EX_RIGHTS = "ex-rights"
    EX_BOTH = "ex-dividend and ex-rights"
    NOT_COMPARABLE = "not comparable"  # newly listed, or no close in the session before


@dataclass(frozen=True, slots=True)
class DayRow:
    """Prices in 1/10,000 TWD, volume in shares, turnover in TWD, book sizes in lots; None is absent.

    ``change`` is the close less ``reference``, the price that limits are counted from.
    """

    listed: Listed
    session: date
    open: int | None
    high: int | None
    low: int | None
    close: int | None
    change: int | None
    volume: int | None
    turnover: int | None
    trades: int | None
    comparison: Comparison = Comparison.NORMAL
    reference: int | None = None
    limit_up: int | None = None
    limit_down: int | None = None
    next_reference: int | None = None
    next_limit_up: int | None = None
    next_limit_down: int | None = None
    bid: int | None = None
    bid_lots: int = 0
    ask: int | None = None
    ask_lots: int = 0
    issued: int | None = None

    @property
    def symbol(self) -> str:
        """The security's symbol."""
        return self.listed.symbol


class PriceSource(Protocol):
    """Synthetic or replayed prices; random access by session and security."""

    @property
    def label(self) -> str:
        """``synthetic`` or ``replay:<file name>``: every reply carries it."""

    def sessions(self, start: date, end: date) -> Sequence[date]:
        """The sessions from *start* to *end*, both included, however far in the future."""

    def day(self, session: date) -> Sequence[DayRow]:
        """Every security of both venues in *session*, sorted by symbol; empty where there is none."""

    def history(self, symbol: str, start: date, end: date) -> Sequence[DayRow]:
        """One security's rows from *start* to *end*, in order."""

    def listing(self) -> Sequence[Listed]:
        """The securities that the list pages show."""

    @property
    def actions(self) -> ActionTables:
        """The tables of corporate actions."""


def traded_row(listed: Listed, session: date, values: tuple[int, ...], flags: tuple[bool, bool, Comparison]) -> DayRow:
    """A row from columns' cells; *values* as ``SyntheticPrices`` orders them, *flags* silent, halted, comparison."""
    opening, high, low, close, reference, up, down, next_reference, next_up, next_down = values[:10]
    volume, turnover, trades, bid, ask, bid_lots, ask_lots, issued = values[10:]
    missing, halted, comparison = flags
    return DayRow(
        listed=listed,
        session=session,
        open=None if missing else opening,
        high=None if missing else high,
        low=None if missing else low,
        close=None if missing else close,
        change=None if missing or comparison is not Comparison.NORMAL else close - reference,
        volume=volume,
        turnover=turnover,
        trades=trades,
        comparison=comparison,
        reference=reference,
        limit_up=up,
        limit_down=down,
        next_reference=next_reference,
        next_limit_up=next_up,
        next_limit_down=next_down,
        bid=None if halted or not bid else bid,
        bid_lots=0 if halted or not bid else bid_lots,
        ask=None if halted or not ask else ask,
        ask_lots=0 if halted or not ask else ask_lots,
        issued=issued,
    )
