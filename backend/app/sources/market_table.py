"""A whole market's bars out of its tables: column by column where nothing is wrong, else row by row.

Nearly every day nothing is, and whole columns take half the time. Both ways read a cell with the same functions; only
the second can tell which row is wrong and why, so that any doubt at all in the first leaves the table to it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import chain, compress, repeat

from app.errors import InvalidRow
from app.market.bar import BAR_FIELDS, Bar
from app.market.security import is_warrant
from app.sources import parsing
from app.sources.bars import MAX_TRADES, bar, bar_key, symbol_of, unless_warrant
from app.sources.base import Parsed
from app.sources.rows import LateRows, Row, Table, read_with_cells

_NO_PRICES = (None,) * 4


@dataclass(frozen=True, slots=True)
class BarLayout:
    """In which columns a table has what a bar is made of; a change may be told by several cells."""

    symbol: str
    prices: tuple[str, str, str, str]
    """Open, high, low, close."""
    change: tuple[str, ...]
    read_change: Callable[..., int | None]
    volume: str
    turnover: str
    trades: str

    @property
    def columns(self) -> tuple[str, ...]:
        """All that are read."""
        return (self.symbol, *self.prices, *self.change, self.volume, self.turnover, self.trades)


def read_market(tables: Sequence[Table], layout: BarLayout, session: date) -> Parsed[Bar]:
    """The bars of *session* in *tables*, which have the columns of *layout*; warrants are left out unread."""
    if found := _by_columns(tables, layout, session):
        rows, cells = found
        return Parsed(rows=rows, cells=cells, fields=frozenset(BAR_FIELDS))
    opened, high, low, close = layout.prices

    def read(row: Row, symbol: str) -> Bar:
        return bar(
            symbol,
            session,
            prices=(row[opened], row[high], row[low], row[close]),
            change=layout.read_change(*(row[name] for name in layout.change)),
            volume=parsing.integer(row[layout.volume]),
            turnover=parsing.integer(row[layout.turnover]),
            trades=parsing.integer(row[layout.trades]),
        )

    values, kept, rejected = read_with_cells(
        chain.from_iterable(tables),
        unless_warrant(layout.symbol, read),
        key=bar_key,
        symbol=layout.symbol,
        session=session,
    )
    return Parsed(rows=values, cells=kept, rejected=rejected, fields=frozenset(BAR_FIELDS))


def _by_columns(
    tables: Sequence[Table], layout: BarLayout, session: date
) -> tuple[tuple[Bar, ...], Sequence[Row]] | None:
    """The bars, and the row of each; None when anything is wrong with any row."""
    texts = [found for table in tables if (found := table.texts(layout.columns))]
    if len(texts) < len(tables):
        return None
    try:
        symbols = [symbol_of(text) for table in texts for text in table[0]]
        wanted = [not is_warrant(symbol) for symbol in symbols]
        columns = [list(compress(chain(*parts), wanted)) for parts in zip(*texts, strict=True)][1:]
        prices = [list(map(parsing.price, column)) for column in columns[:4]]
        changes = list(map(layout.read_change, *columns[4:-3]))
        volumes, turnovers, trades = map(parsing.integers, columns[-3:])
    except InvalidRow:
        return None
    symbols = list(compress(symbols, wanted))
    if (
        len(set(symbols)) < len(symbols)
        or any(None in four and four != _NO_PRICES for four in zip(*prices, strict=True))
        or max(filter(None, trades), default=0) > MAX_TRADES
    ):
        return None
    changes = [None if close is None else change for close, change in zip(prices[3], changes, strict=True)]
    bars = tuple(map(Bar, symbols, repeat(session), *prices, changes, volumes, turnovers, trades))
    lines = [(table, line) for table in tables for line in table.lines]
    return bars, LateRows(list(compress(lines, wanted)))
