"""Which key for bars: (session, security) or (security, session)? What each costs to append to and to read."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import replace

from sqlalchemy import Engine, text

from app.market.bar import BAR_FIELDS
from app.store.bar_columns import BarColumns, columns_of, day
from app.store.bar_copy import pack
from app.store.engine import driver, transaction
from benchmarks import market
from benchmarks.claim import Claim
from benchmarks.server import command, database, wal_position

YEARS = 5
DAYS_A_YEAR = 250
KEYS = {"by_session": "session, security_id", "by_security": "security_id, session"}


def main() -> list[Claim]:
    print(f"Keys of bars: {YEARS * DAYS_A_YEAR:,} sessions × {market.SECURITIES:,} securities, appended day by day")
    with database() as engine:
        ids = market.list_market(engine)
        year = columns_of(market.bars(market.sessions(DAYS_A_YEAR)), ids, fields=BAR_FIELDS)
        for table, key in KEYS.items():
            command(engine, f"CREATE TABLE {table} (LIKE bars INCLUDING CONSTRAINTS, PRIMARY KEY ({key}))")
            for number in range(YEARS):
                _copy(engine, table, _later(year, number * 366))
            command(engine, f"VACUUM ANALYZE {table}")
        rows = [
            ("a day appended just after a checkpoint, MB of WAL", *_each(lambda t: _append_wal(engine, t, year))),
            ("a symbol's last 250 bars, ms", *_each(lambda t: _milliseconds(engine, _symbol(t, limit=250)))),
            ("a symbol's last 250 bars, pages", *_each(lambda t: _pages(engine, _symbol(t, limit=250)))),
            ("a symbol's 5 years, ms", *_each(lambda t: _milliseconds(engine, _symbol(t)))),
            ("a symbol's 5 years, pages", *_each(lambda t: _pages(engine, _symbol(t)))),
            ("one session's market, ms", *_each(lambda t: _milliseconds(engine, _session(t, year)))),
            ("one session's market, pages", *_each(lambda t: _pages(engine, _session(t, year)))),
            ("index, MB", *_each(lambda t: _index_size(engine, t))),
        ]
    print(f"  {'':<52}{'(session, security)':>21}{'(security, session)':>21}")
    for name, by_session, by_security in rows:
        print(f"  {name:<52}{by_session:>21,.2f}{by_security:>21,.2f}")
    return []  # a choice was made on these; there is no bar to hold


def _each(measure: Callable[[str], float]) -> list[float]:
    return [measure(table) for table in KEYS]


def _later(columns: BarColumns, days: int) -> BarColumns:
    return replace(columns, sessions=columns.sessions + days)


def _copy(engine: Engine, table: str, columns: BarColumns) -> None:
    names = ", ".join(("session", "security_id", "recorded_at", *columns.values))
    statement = f"COPY {table} ({names}) FROM STDIN (FORMAT BINARY)"
    with transaction(engine) as connection, driver(connection).cursor() as cursor, cursor.copy(statement) as copy:
        copy.write(pack(columns, at=market.NOW))


def _append_wal(engine: Engine, table: str, year: BarColumns) -> float:
    one = year.take(year.sessions == year.sessions[0])
    sizes = []
    for number in range(3):
        command(engine, "CHECKPOINT")
        before = wal_position(engine)
        _copy(engine, table, _later(one, YEARS * 366 + number))
        sizes.append((wal_position(engine) - before) / 1e6)
    return statistics.median(sizes)


def _symbol(table: str, limit: int | None = None) -> str:
    fields = ", ".join(BAR_FIELDS)
    rows = f"LIMIT {limit}" if limit else ""
    return f"SELECT session, {fields} FROM {table} WHERE security_id = 1234 ORDER BY session DESC {rows}"


def _session(table: str, year: BarColumns) -> str:
    middle = day(int(year.sessions[len(year) // 2]))
    return f"SELECT security_id, {', '.join(BAR_FIELDS)} FROM {table} WHERE session = '{middle}'"


def _milliseconds(engine: Engine, query: str) -> float:
    seconds = []
    with transaction(engine) as connection:
        for _ in range(30):
            start = time.perf_counter()
            connection.execute(text(query)).all()
            seconds.append(time.perf_counter() - start)
    return statistics.median(seconds) * 1000


def _pages(engine: Engine, query: str) -> float:
    with transaction(engine) as connection:
        plan = connection.scalar(text(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {query}"))[0]["Plan"]
    return float(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])


def _index_size(engine: Engine, table: str) -> float:
    with transaction(engine) as connection:
        return float(connection.scalar(text(f"SELECT pg_indexes_size('{table}')")) or 0) / 1e6
