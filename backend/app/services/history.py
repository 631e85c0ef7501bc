"""One security's history: its bars and the factors that adjust them, both as they are held or as they stood."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from app.errors import InvalidParameter, UnknownSymbol
from app.market.adjustment import Adjustment, Factors, factors_of
from app.market.bar import Bar
from app.store import securities
from app.store.bar_reads import BarValues, held_range, read_bar_rows
from app.store.corporate_actions import list_actions
from app.store.engine import Connection


@dataclass(frozen=True, slots=True)
class History:
    """Raw *rows* of *symbol*, oldest first, and the *factors* of each session: 1 unless they are to be adjusted.

    *more*: the range holds older bars than these.
    """

    symbol: str
    rows: list[BarValues]
    factors: Factors
    more: bool

    @property
    def bars(self) -> list[Bar]:
        """The rows as bars."""
        return [Bar(self.symbol, *row) for row in self.rows]


def read_history(
    connection: Connection,
    symbol: str,
    *,
    start: date | None = None,
    end: date | None = None,
    limit: int,
    adjustment: Adjustment | None = None,
    as_of: datetime | None = None,
) -> History:
    """The newest *limit* bars of *symbol* from *start* to *end* (both included, None: open).

    Factors are made from the whole history, so that every page of it fits the others.

    Raises:
        UnknownSymbol: no securities list holds it.
        InvalidParameter: *start* is later than *end*.
    """
    if start and end and start > end:
        raise InvalidParameter(f"start {start} is later than end {end}.")
    found = read_bar_rows(connection, symbol, start=start, end=end, limit=limit + 1, as_of=as_of)
    if not found and securities.find(connection, symbol) is None:
        raise UnknownSymbol(f"No securities list holds {symbol!r}. If it is new: `quantlab sync securities`.")
    factors = Factors()
    if adjustment:
        first, last = held_range(connection, symbol, as_of=as_of) or (None, None)
        actions = [held.action for held in list_actions(connection, symbol=symbol, as_of=as_of)]
        factors = factors_of(actions, adjustment, first=first, last=last)
    return History(symbol, found[-limit:], factors, more=len(found) > limit)
