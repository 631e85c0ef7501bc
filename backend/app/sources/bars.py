"""From one row's cells to a Bar, and what its cells must obey. The same for every venue."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

from app.errors import InvalidRow
from app.market.bar import Bar
from app.market.security import is_symbol, is_warrant
from app.sources import parsing
from app.sources.rows import Row

MAX_TRADES = 2**31 - 1


def symbol_of(text: str) -> str:
    """The symbol in a cell. Rule: not-a-symbol."""
    symbol = text.strip()
    if not is_symbol(symbol):
        raise InvalidRow(f"{symbol[:80]!r} is not a symbol", rule="not-a-symbol")
    return symbol


def unless_warrant(column: str, read: Callable[[Row, str], Bar]) -> Callable[[Row], Bar | None]:
    """A reader of rows that leaves warrants out unread (they are nine tenths of some replies)."""

    def reader(row: Row) -> Bar | None:
        symbol = symbol_of(row[column])
        return None if is_warrant(symbol) else read(row, symbol)

    return reader


def bar(
    symbol: str,
    session: date,
    *,
    prices: tuple[str, str, str, str],
    change: int | None,
    volume: int | None,
    turnover: int | None,
    trades: int | None,
) -> Bar:
    """A bar from the cells of open, high, low and close, and what is read already.

    Either all four prices are there or none is: a halted security has none, and may still have a volume (odd lots,
    blocks). Without a close there is no change, whatever its cell says (the exchanges print 0.00 then).
    Rules: those of ``parsing``, partial-prices. Whether the values can be true together, the gate before the store
    judges (``market/bar_rules.py``).
    """
    opened, high, low, close = map(parsing.price, prices)
    if trades is not None and trades > MAX_TRADES:
        raise InvalidRow(f"{trades} trades are more than the store can hold", rule="value-too-large")
    if opened is None or high is None or low is None or close is None:
        if not opened == high == low == close:  # then at least one is a price
            there = ", ".join(text.strip() for text in prices)
            raise InvalidRow(f"only some of the four prices are there: {there}", rule="partial-prices")
        change = None
    return Bar(
        symbol=symbol,
        session=session,
        open=opened,
        high=high,
        low=low,
        close=close,
        change=change,
        volume=volume,
        turnover=turnover,
        trades=trades,
    )


def bar_key(value: Bar) -> tuple[str, date]:
    """What makes a bar one of its kind in a reply."""
    return value.symbol, value.session
