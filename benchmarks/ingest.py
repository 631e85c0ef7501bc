"""Writing bars: first load, the same again, one new day and that day again, beside what others do.

Each round runs every method once, in turn, so that a busy machine disturbs all alike; the table gives medians.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Engine, insert, text
from sqlalchemy.orm import DeclarativeBase, Session

from app.market.bar import BAR_FIELDS, Bar
from app.store import tables
from app.store.bar_columns import BarColumns, columns_of
from app.store.bar_copy import pack
from app.store.bars import write_bars, write_columns
from app.store.engine import driver, transaction
from benchmarks import market
from benchmarks.claim import Claim
from benchmarks.server import command, database, wal_position

DAYS = 250
ROUNDS = 5
NEW_DAYS = 9
ORM_SAMPLE = 500
EXECUTEMANY_SAMPLE = 50_000

ORIGIN: dict[str, Any] = {"source": "benchmark", "run_id": None, "at": market.NOW}


class Base(DeclarativeBase):
    pass


class BarRow(Base):
    """What an ORM user would write."""

    __table__ = tables.bars


@dataclass
class Measured:
    name: str
    rows: int
    note: str = ""
    seconds: list[float] = field(default_factory=list)
    wal: list[int] = field(default_factory=list)

    @property
    def rate(self) -> float:
        return self.rows / statistics.median(self.seconds)


class Scenario:
    """Methods that are measured side by side."""

    def __init__(self, engine: Engine, title: str) -> None:
        self.engine, self.title = engine, title
        self.results: dict[str, Measured] = {}

    def time(self, name: str, rows: int, work: Callable[[Connection], object], *, note: str = "") -> None:
        measured = self.results.setdefault(name, Measured(name, rows, note))
        wal = wal_position(self.engine)
        start = time.perf_counter()
        with transaction(self.engine) as connection:
            work(connection)
        measured.seconds.append(time.perf_counter() - start)
        measured.wal.append(wal_position(self.engine) - wal)

    def rate(self, name: str) -> float:
        return self.results[name].rate

    def show(self, *, limit: str) -> None:
        slowest = min(one.rate for one in self.results.values())
        print(f"\n{self.title}\n  {'method':<52}{'seconds':>9}{'rows/s':>11}{'÷ slowest':>11}{'÷ limit':>9}{'WAL':>11}")
        for one in self.results.values():
            seconds, wal = statistics.median(one.seconds), statistics.median(one.wal) / 1e6
            ratio = f"{one.rate / self.rate(limit):.2f}"
            print(
                f"  {one.name:<52}{seconds:>9.3f}{one.rate:>11,.0f}{one.rate / slowest:>11,.0f}{ratio:>9}"
                f"{wal:>8.2f} MB  {one.note}"
            )


def by_orm(bars: Sequence[Bar], ids: dict[str, int]) -> Callable[[Connection], None]:
    """SELECT, INSERT, COMMIT and REFRESH a row, as an earlier platform did."""

    def work(connection: Connection) -> None:
        with Session(connection.engine) as session:
            for bar in bars:
                key = (bar.session, ids[bar.symbol])
                if session.get(BarRow, key) is None:
                    row = BarRow(**_row(bar, ids))
                    session.add(row)
                    session.commit()
                    session.refresh(row)

    return work


def by_executemany(bars: Sequence[Bar], ids: dict[str, int]) -> Callable[[Connection], None]:
    def work(connection: Connection) -> None:
        for start in range(0, len(bars), 1000):
            connection.execute(insert(tables.bars), [_row(bar, ids) for bar in bars[start : start + 1000]])

    return work


def by_copy(columns: BarColumns, packed: bytes) -> Callable[[Connection], None]:
    """The limit: ready bytes straight into the keyed table; no check of what is held, fails on a second time."""
    names = ", ".join(("session", "security_id", "recorded_at", *columns.values))

    def work(connection: Connection) -> None:
        with (
            driver(connection).cursor() as cursor,
            cursor.copy(f"COPY bars ({names}) FROM STDIN (FORMAT BINARY)") as copy,
        ):
            copy.write(packed)

    return work


def by_staging(columns: BarColumns, packed: bytes) -> Callable[[Connection], None]:
    """COPY into a temporary table, anti-join there, insert what is new, update what differs."""
    names = ", ".join(("session", "security_id", "recorded_at", *columns.values))
    values = ", ".join(columns.values)
    mine, theirs = (", ".join(f"{side}.{name}" for name in columns.values) for side in ("s", "b"))
    put = ", ".join(f"{name} = s.{name}" for name in columns.values)

    def work(connection: Connection) -> None:
        connection.execute(text("CREATE TEMP TABLE staged (LIKE bars) ON COMMIT DROP"))
        with (
            driver(connection).cursor() as cursor,
            cursor.copy(f"COPY staged ({names}) FROM STDIN (FORMAT BINARY)") as copy,
        ):
            copy.write(packed)
        connection.execute(text("ANALYZE staged"))
        connection.execute(
            text(
                f"UPDATE bars b SET {put}, recorded_at = s.recorded_at FROM staged s WHERE b.session = s.session "
                f"AND b.security_id = s.security_id AND ({mine}) IS DISTINCT FROM ({theirs})"
            )
        )
        connection.execute(
            text(
                f"INSERT INTO bars ({names}) SELECT session, security_id, recorded_at, {values} FROM staged s WHERE "
                "NOT EXISTS (SELECT FROM bars b WHERE b.session = s.session AND b.security_id = s.security_id)"
            )
        )

    return work


def main() -> list[Claim]:
    print(f"Writing bars: {DAYS} sessions × {market.SECURITIES:,} securities, medians of {ROUNDS} rounds")
    days = market.sessions(DAYS + ROUNDS * NEW_DAYS)
    bars = market.bars(days[:DAYS])
    with database() as engine:
        ids = market.list_market(engine)
        columns = columns_of(bars, ids, fields=BAR_FIELDS)
        batch = Batch(bars, columns, pack(columns, at=market.NOW), ids)
        first = Scenario(engine, f"First load of {len(bars):,} rows")
        again = Scenario(engine, f"The same {len(bars):,} rows again")
        for _ in range(ROUNDS):
            _load(engine, first, batch)
            _reload(again, batch)
        day, same = _days(engine, days[DAYS:], ids)
    first.show(limit=LIMIT)
    again.results = {LIMIT: first.results[LIMIT]} | again.results
    again.show(limit=LIMIT)
    day.show(limit=LIMIT)
    same.results = {LIMIT: day.results[LIMIT]} | same.results
    same.show(limit=LIMIT)
    return _claims(first, again, day)


LIMIT = "limit: ready bytes by COPY into the keyed table"
COPY_BARS = "Bar objects → bytes → COPY into the keyed table"
OURS = "write_bars: from Bar objects"
OURS_COLUMNS = "write_columns: from columns"
ORM = "ORM: SELECT + INSERT + COMMIT + REFRESH a row"
EXECUTEMANY = "SQLAlchemy executemany, 1,000 rows each"
STAGING = "COPY → temporary table → anti-join → insert"


@dataclass(frozen=True)
class Batch:
    """The same bars in each form that a method starts from."""

    bars: list[Bar]
    columns: BarColumns
    packed: bytes
    ids: dict[str, int]


def _load(engine: Engine, first: Scenario, batch: Batch) -> None:
    bars, columns, packed, ids = batch.bars, batch.columns, batch.packed, batch.ids

    def copy_bars(connection: Connection) -> None:
        fresh = columns_of(bars, ids, fields=BAR_FIELDS)
        by_copy(fresh, pack(fresh, at=market.NOW))(connection)

    part = bars[:EXECUTEMANY_SAMPLE]
    methods: list[tuple[str, int, Callable[[Connection], object], str]] = [
        (ORM, ORM_SAMPLE, by_orm(bars[:ORM_SAMPLE], ids), f"rate of {ORM_SAMPLE:,} rows"),
        (EXECUTEMANY, len(part), by_executemany(part, ids), f"rate of {len(part):,} rows"),
        (STAGING, len(bars), by_staging(columns, packed), ""),
        (COPY_BARS, len(bars), copy_bars, ""),
        (OURS, len(bars), lambda c: write_bars(c, bars, fields=BAR_FIELDS, **ORIGIN), ""),
        (LIMIT, len(bars), by_copy(columns, packed), ""),
        (OURS_COLUMNS, len(bars), lambda c: write_columns(c, columns, **ORIGIN), ""),
    ]
    for name, rows, work, note in methods:
        command(engine, "TRUNCATE bars, revisions")
        command(engine, "CHECKPOINT")
        first.time(name, rows, work, note=note)
    command(engine, "VACUUM ANALYZE bars")  # as autovacuum does within a minute of such a load
    command(engine, "CHECKPOINT")


def _reload(again: Scenario, batch: Batch) -> None:
    bars, columns = batch.bars, batch.columns
    again.time(STAGING, len(bars), by_staging(columns, batch.packed))
    again.time(OURS, len(bars), lambda c: write_bars(c, bars, fields=BAR_FIELDS, **ORIGIN))
    again.time(OURS_COLUMNS, len(bars), lambda c: write_columns(c, columns, **ORIGIN))


def _days(engine: Engine, days: Sequence[Any], ids: dict[str, int]) -> tuple[Scenario, Scenario]:
    """Append one day after the other onto the held 250, each by every method (removed in between)."""
    day = Scenario(engine, f"One new day of {market.SECURITIES:,} rows")
    same = Scenario(engine, "That day again")
    for number, session in enumerate(days):
        bars = market.bars([session], seed=number)
        columns = columns_of(bars, ids, fields=BAR_FIELDS)
        packed = pack(columns, at=market.NOW)

        def remove(session: Any = session) -> None:
            with transaction(engine) as connection:
                connection.execute(text("DELETE FROM bars WHERE session = :day"), {"day": session})

        if number == 0:
            sample = bars[:ORM_SAMPLE]
            day.time(ORM, len(sample), by_orm(sample, ids), note=f"rate of {len(sample):,} rows, once")
            remove()
        day.time(EXECUTEMANY, len(bars), by_executemany(bars, ids))
        remove()
        day.time(STAGING, len(bars), by_staging(columns, packed))
        remove()
        day.time(LIMIT, len(bars), by_copy(columns, packed))
        remove()
        day.time(OURS, len(bars), lambda c, b=bars: write_bars(c, b, fields=BAR_FIELDS, **ORIGIN))
        same.time(STAGING, len(bars), by_staging(columns, packed))
        same.time(OURS, len(bars), lambda c, b=bars: write_bars(c, b, fields=BAR_FIELDS, **ORIGIN))
    return day, same


def _claims(first: Scenario, again: Scenario, day: Scenario) -> list[Claim]:
    """Both sides of a ratio start from the same thing.

    Reading 617,000 Python objects takes longer than storing them, by whichever method: hence two pairs.
    """
    wal = max(again.results[OURS].wal + again.results[OURS_COLUMNS].wal) / 1e6
    rates = [
        ("first load from columns ÷ COPY of ready bytes", first.rate(OURS_COLUMNS), first.rate(LIMIT), 0.5),
        ("first load from Bar objects ÷ COPY of Bar objects", first.rate(OURS), first.rate(COPY_BARS), 0.5),
        ("first load from Bar objects ÷ per-row ORM", first.rate(OURS), first.rate(ORM), 400),
        ("re-run from columns ÷ COPY of ready bytes", again.rate(OURS_COLUMNS), first.rate(LIMIT), 1.5),
        ("re-run from Bar objects ÷ COPY of Bar objects", again.rate(OURS), first.rate(COPY_BARS), 1.5),
        ("a new day: write_bars ÷ COPY of ready bytes", day.rate(OURS), day.rate(LIMIT), 1 / 3),
    ]
    return [
        *(
            Claim(
                name=name, value=ours / beside, least=least, ours=f"{ours:,.0f} rows/s", beside=f"{beside:,.0f} rows/s"
            )
            for name, ours, beside, least in rates
        ),
        Claim(name="WAL of a re-run, MB", value=wal, most=1),
    ]


def _row(bar: Bar, ids: dict[str, int]) -> dict[str, Any]:
    values = {name: getattr(bar, name) for name in BAR_FIELDS}
    return {"session": bar.session, "security_id": ids[bar.symbol], "recorded_at": market.NOW, **values}
