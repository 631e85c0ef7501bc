"""A made-up panel of five years of the market by column, in PostgreSQL within seconds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Engine

from app.market.bar import ABSENT
from app.market.corporate_action import ActionKind, CorporateAction
from app.market.security import Security, SecurityKind, Venue
from app.store.bar_columns import EPOCH, BarColumns
from app.store.bar_copy import copy_in
from app.store.corporate_actions import write_actions
from app.store.engine import transaction
from app.store.securities import ids_for, save_list
from benchmarks import market
from benchmarks.server import command

SECURITIES = 2_671
SESSIONS = 1_250
WHOLE = 0.75
"""Share of securities that trade all the time; the others are listed later or delisted: 3.1 million bars in all."""
NO_TRADE = 0.01


@dataclass(frozen=True)
class Panel:
    """The *days* and *symbols*, and for each symbol the places of its first and its last day."""

    days: list[date]
    symbols: list[str]
    first: NDArray[np.int64]
    last: NDArray[np.int64]

    @classmethod
    def make(cls, securities: int = SECURITIES, sessions: int = SESSIONS) -> Panel:
        """The same every time; who is delisted is so before the last ten days."""
        random = np.random.default_rng(2330)
        first, last = np.zeros(securities, np.int64), np.full(securities, sessions - 1)
        partly = random.random(securities) >= WHOLE
        late = partly & (random.random(securities) < 0.7)
        first[late] = random.integers(1, sessions - 20, int(late.sum()))
        gone = partly & ~late
        last[gone] = random.integers(20, sessions - 10, int(gone.sum()))
        return cls(market.sessions(sessions), [str(1000 + n) for n in range(securities)], first, last)

    def bars(self, day: int, ids: NDArray[np.int64]) -> BarColumns:
        """The bars of the day at the place *day* of the calendar, sorted by id."""
        there = np.flatnonzero((self.first <= day) & ((day <= self.last) | (self.last == len(self.days) - 1)))
        random = np.random.default_rng(day)
        close = random.integers(1_000, 100_000, len(there)) * 100
        spread = random.integers(1, 10, len(there)) * 100
        volume = random.integers(1_000, 100_000_000, len(there))
        values = {
            "open": close - spread, "high": close + spread, "low": close - 2 * spread, "close": close,
            "change": -spread, "volume": volume, "turnover": volume * close // 10_000, "trades": volume // 1_000 + 1,
        }  # fmt: skip
        untraded = random.random(len(there)) < NO_TRADE
        for name, column in values.items():
            column[untraded] = 0 if name in ("volume", "turnover", "trades") else ABSENT
        session = market_day(self.days, day).toordinal() - EPOCH
        return BarColumns(np.full(len(there), session, np.int64), ids[there], values).by_key()

    def actions(self) -> Iterator[CorporateAction]:
        """A dividend a year of two securities in three, and a split of a few."""
        random = np.random.default_rng(50)
        for number, symbol in enumerate(self.symbols):
            for year in range(len(self.days) // 250):
                day = year * 250 + int(random.integers(0, 250))
                if number % 3 and self.first[number] < day <= self.last[number]:
                    kind = ActionKind.SPLIT if number % 100 == 1 and year == 2 else ActionKind.DIVIDEND
                    reference = 25_0000 if kind is ActionKind.SPLIT else 100_0000 - int(random.integers(100, 80_000))
                    yield CorporateAction(symbol, self.days[day], kind, 100_0000, reference)


def market_day(days: list[date], place: int) -> date:
    """The day at a *place* of the calendar, which may lie beyond its end."""
    return days[place] if place < len(days) else market.sessions(place + 1)[place]


def load(engine: Engine, panel: Panel) -> NDArray[np.int64]:
    """Put *panel* into the database, as a platform that ran for years would hold it; returns the ids by symbol."""
    rows = [Security(one, f"公司{one}", Venue.TWSE, SecurityKind.STOCK) for one in panel.symbols]
    with transaction(engine) as connection:
        save_list(connection, Venue.TWSE, rows, at=market.NOW)
        by_symbol = ids_for(connection, panel.symbols)
        ids = np.array([by_symbol[symbol] for symbol in panel.symbols], np.int64)
        period = (panel.days[0], panel.days[-1])
        write_actions(connection, panel.actions(), period=period, source="made up", run_id=None, at=market.NOW)
    for day in range(len(panel.days)):
        add_day(engine, panel, ids, day)
    command(engine, "VACUUM ANALYZE bars")
    command(engine, "CHECKPOINT")
    return ids


def add_day(engine: Engine, panel: Panel, ids: NDArray[np.int64], day: int) -> None:
    """One more session, at the place *day* of the calendar."""
    with transaction(engine) as connection:
        copy_in(connection, panel.bars(day, ids), at=market.NOW)
