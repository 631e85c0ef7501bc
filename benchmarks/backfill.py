"""A backfill of ten years: rows a second from replies in hand to committed and accounted for, and flat memory.

The service itself works, unit by unit, on a PostgreSQL of our own; only the exchange is replaced, by a made-up market.
Beside it the limit: the same rows by COPY of ready bytes straight into the keyed table, a unit at a time.
"""

from __future__ import annotations

import os
import statistics
import time
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import psutil
from sqlalchemy import Engine

from app.market.bar import BAR_FIELDS
from app.market.security import Security, SecurityKind, Venue
from app.services.backfill import Wanted, backfill_bars
from app.services.context import Context
from app.services.report import Report
from app.sources.base import Parsed
from app.store.bar_columns import columns_of
from app.store.bar_copy import pack
from app.store.engine import driver, transaction
from app.store.securities import ids_for, save_list
from benchmarks import market
from benchmarks.claim import Claim
from benchmarks.server import command, database

YEARS = int(os.environ.get("YEARS", "10"))
END = date(2024, 6, 28)
RANGE = Wanted(date(END.year - YEARS, 7, 1), END)
TPEX_FROM = 1_400
"""The first so many symbols are TWSE's, the others TPEx's."""
MOST_MB, MOST_GROWTH = 300, 1.15
FEWEST_OF_COPY = 1 / 3
NOW = datetime(2024, 7, 1, 14, 0, tzinfo=UTC)


class MadeUpExchange:
    """Answers for any session at once: what is measured is what we do with an answer."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def fetch(self, dataset: Any, query: Any) -> Parsed[Any]:
        began = time.perf_counter()
        bars = market.bars([query.session], seed=query.session.toordinal(), steady=True)
        mine = bars[:TPEX_FROM] if dataset.venue is Venue.TWSE else bars[TPEX_FROM:]
        self.seconds += time.perf_counter() - began
        return Parsed(tuple(mine), fields=frozenset(BAR_FIELDS))


def main() -> list[Claim]:
    exchange, memory = MadeUpExchange(), list[float]()
    own = psutil.Process()
    with database() as engine:
        _list(engine)

        def watch(done: int, total: int, _: str) -> None:
            if done * 10 // total >= len(memory):
                memory.append(own.memory_info().rss / 1e6)

        began = time.perf_counter()
        report = _run(engine, exchange, watch)
        seconds = time.perf_counter() - began - exchange.seconds
        rows = report.counts.stored or 0
        ours = rows / seconds
        again = time.perf_counter()
        _run(engine, exchange, watch)
        planning = time.perf_counter() - again
        limit = _copy(engine)
    print(f"Backfill of {YEARS} years: {report.details['units']:,} units, {rows:,} bars stored, {report.state}")
    print(f"  ours, bars a second (written, compared, accounted for)   {ours:>10,.0f}")
    print(
        f"  limit: COPY of ready bytes, a unit at a time             {limit:>10,.0f}   ours ÷ limit {ours / limit:.2f}"
    )
    print(f"  the same backfill again: nothing to fetch, seconds       {planning:>10.2f}")
    print(f"  memory at each tenth, MB: {' '.join(f'{mb:.0f}' for mb in memory)}")
    growth = memory[-1] / memory[1]
    return [
        Claim(name=f"memory of a backfill of {YEARS} years, MB", value=max(memory), most=MOST_MB),
        Claim(
            name="memory at the end of a backfill ÷ at a tenth of it", value=growth, most=MOST_GROWTH,
            ours=f"{memory[-1]:.0f} MB", beside=f"{memory[1]:.0f} MB",
        ),
        Claim(
            name="bars a second of a backfill ÷ COPY of ready bytes", value=ours / limit, least=FEWEST_OF_COPY,
            ours=f"{ours:,.0f}", beside=f"{limit:,.0f}",
        ),
    ]  # fmt: skip


def _list(engine: Engine) -> None:
    symbols = market.symbols()
    with transaction(engine) as connection:
        for venue, some in ((Venue.TWSE, symbols[:TPEX_FROM]), (Venue.TPEX, symbols[TPEX_FROM:])):
            rows = [Security(one, f"公司{one}", venue, SecurityKind.STOCK, listed_on=date(2000, 1, 4)) for one in some]
            save_list(connection, venue, rows, at=NOW)


def _run(engine: Engine, exchange: MadeUpExchange, watch: Any) -> Report:
    context = Context(
        engine=engine,
        redis=None,  # type: ignore[arg-type] - a backfill caches nothing
        client=exchange,
        clock=lambda: NOW,
        universes={},
        data_dir=Path(),
        show_progress=watch,
    )
    return backfill_bars(context, RANGE)


def _copy(engine: Engine) -> float:
    """Bars a second of the limit, over a sample of units of the same size: a session of one venue, committed."""
    with transaction(engine) as connection:
        ids = ids_for(connection, market.symbols())
    command(engine, "CREATE TABLE bare (LIKE bars INCLUDING CONSTRAINTS, PRIMARY KEY (session, security_id))")
    rates = []
    for day in market.sessions(60):
        bars = market.bars([day])
        for unit in (bars[:TPEX_FROM], bars[TPEX_FROM:]):
            columns = columns_of(unit, ids, fields=BAR_FIELDS)
            packed = pack(columns, at=NOW)
            began = time.perf_counter()
            _copy_in(engine, packed, names=", ".join(columns.values))
            rates.append(len(columns) / (time.perf_counter() - began))
    return statistics.median(rates)


def _copy_in(engine: Engine, packed: Any, *, names: str) -> None:
    statement = f"COPY bare (session, security_id, recorded_at, {names}) FROM STDIN (FORMAT BINARY)"
    with transaction(engine) as connection, driver(connection).cursor() as cursor, cursor.copy(statement) as copy:
        copy.write(packed)
