"""A whole market's bars out of its tables: column by column where nothing is wrong, else row by row.

Nearly every day nothing is, and whole columns take half the time. Both ways read a cell with the same functions; only
the second can tell which row is wrong and why, so that any doubt at all in the first leaves the table to it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from itertools import chain, compress

import numpy as np

from app.errors import InvalidRow
from app.market.bar import ABSENT, BAR_FIELDS, Bar
from app.market.bar_table import BarTable, Ints, column
from app.market.security import is_warrant
from app.sources import parsing
from app.sources.bars import MAX_TRADES, bar, bar_key, symbol_of, unless_warrant
from app.sources.base import Parsed
from app.sources.rows import LateRows, Row, Table, read_with_cells


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


def _by_columns(tables: Sequence[Table], layout: BarLayout, session: date) -> tuple[BarTable, Sequence[Row]] | None:
    """The bars, and the row of each; None when anything is wrong with any row."""
    texts = [found for table in tables if (found := table.texts(layout.columns))]
    if len(texts) < len(tables):
        return None
    try:
        owners = [_unless_warrant(text) for table in texts for text in table[0]]
        wanted = [symbol is not None for symbol in owners]
        columns = [list(compress(chain(*parts), wanted)) for parts in zip(*texts, strict=True)][1:]
        prices = _prices(columns[:4])
        changes = column(list(map(layout.read_change, *columns[4:-3])))
        volumes, turnovers, trades = (parsing.integers(some) for some in columns[-3:])
    except InvalidRow:
        return None
    symbols = [symbol for symbol in owners if symbol is not None]
    if prices is None or len(set(symbols)) < len(symbols) or (trades > MAX_TRADES).any():
        return None
    changes = np.where(prices[3] == ABSENT, ABSENT, changes)
    values = dict(zip(BAR_FIELDS, (*prices, changes, volumes, turnovers, trades), strict=True))
    lines = [(table, line) for table in tables for line in table.lines]
    return BarTable(symbols, session, values), LateRows(list(compress(lines, wanted)))


@lru_cache(maxsize=1 << 15)  # every day's are nearly those of the day before
def _unless_warrant(text: str) -> str | None:
    symbol = symbol_of(text)
    return None if is_warrant(symbol) else symbol


def _prices(texts: Sequence[list[str]]) -> list[Ints] | None:
    """Open, high, low and close; None where a row has only some of them."""
    absent = list(map(parsing.absent, texts[0]))
    if not all(parsing.absent(text) for some in texts[1:] for text in compress(some, absent)):
        return None
    priced = ~np.array(absent, np.bool_)
    found = []
    for some in texts:
        known = parsing.prices(list(compress(some, priced)))
        if (known == ABSENT).any():
            return None
        values = np.full(len(some), ABSENT, np.int64)
        values[priced] = known
        found.append(values)
    return found
