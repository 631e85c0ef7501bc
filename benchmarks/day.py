"""One whole-market day: from the two replies in hand to committed, accounted for and cached.

The task's own service works on the sandbox exchange's replies, both venues of one session, on servers of our own.
Beside it what writing those rows alone costs, committed, into a table with the same key: by psycopg's COPY a row at a
time, and as ready bytes, which no program that starts from a reply can reach.
"""

from __future__ import annotations

import contextlib
import gc
import statistics
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import redis
from psycopg import Copy, sql
from sqlalchemy import Engine

from app.market.bar import ABSENT, BAR_FIELDS
from app.market.security import BAR_VENUES, SecurityKind, Venue
from app.sandbox import tpex, twse
from app.sandbox.cells import to_json
from app.sandbox.exchange import Exchange
from app.sandbox.listing import traded_securities
from app.sandbox.synthetic import SyntheticPrices
from app.services.context import Context
from app.services.sync_daily_bars import sync_daily_bars
from app.sources.base import Parsed
from app.store.bar_columns import BarColumns, day, joined
from app.store.bar_copy import copy_out, pack
from app.store.engine import driver, transaction
from app.store.securities import save_list
from benchmarks.claim import Claim, ms
from benchmarks.server import command, database, valkey

SESSIONS = (date(2026, 10, 1), date(2026, 11, 20))
NOW = datetime(2026, 11, 20, 14, 0, tzinfo=UTC)
MOST_OF_COPY = 3.0


class Replies:
    """Both venues' replies to every session, made beforehand; what is timed begins with their bytes."""

    def __init__(self, days: list[date]) -> None:
        exchange = Exchange(SyntheticPrices())
        self.bodies: Mapping[tuple[Venue, date], bytes] = {
            (venue, session): to_json(
                twse.market_table(session, "ALLBUT0999", exchange.table(session, venue, warrants=False))
                if venue is Venue.TWSE
                else tpex.market_table(session, exchange.table(session, venue, warrants=True))
            )
            for session in days
            for venue in BAR_VENUES
        }

    def fetch(self, dataset: Any, query: Any) -> Parsed[Any]:
        parsed: Parsed[Any] = dataset.parse(self.bodies[dataset.venue, query.session], query)
        return parsed


def main() -> list[Claim]:
    prices = SyntheticPrices()
    days = list(prices.sessions(*SESSIONS))
    replies = Replies(days)
    with database() as engine, valkey() as (url, _), redis.Redis.from_url(url) as cache:
        with transaction(engine) as connection:
            for venue in BAR_VENUES:
                mine = [one.security for one in traded_securities() if one.security.venue is venue]
                listed = [one for one in mine if one.kind is not SecurityKind.WARRANT]
                save_list(connection, venue, listed, at=NOW)
        context = Context(
            engine=engine,
            redis=cache,
            client=replies,
            clock=lambda: NOW,
            universes={"popular": ["2330", "2317", "2454"]},
            data_dir=Path(),
        )
        gc.collect()
        gc.freeze()  # as workers do before they fork: what was prepared is not gone through again and again
        ours, copy, ready, rows = _measure(engine, context, days)
    print(f"One whole-market day, {rows:,.0f} bars of two venues (median of {len(days) - 1} days)")
    print(f"  ours: parse, judge, write, account for, cache, ms {1000 * ours:>8.1f}")
    print(f"  COPY of the same rows, a row at a time, ms        {1000 * copy:>8.1f}   ours ÷ COPY  {ours / copy:>6.2f}")
    print(
        f"  limit: COPY of ready bytes, ms                    {1000 * ready:>8.1f}   ours ÷ limit {ours / ready:>6.2f}"
    )
    name = "a market's day, from replies to cached ÷ COPY of its rows"
    return [Claim(name=name, value=ours / copy, most=MOST_OF_COPY, ours=ms(ours), beside=ms(copy))]


def _measure(engine: Engine, context: Context, days: list[date]) -> tuple[float, float, float, float]:
    """Median seconds of ours, COPY and ready bytes, in turn day by day, and rows a day; the first day warms up."""
    for table in ("bare", "ready"):
        command(engine, f"CREATE TABLE {table} (LIKE bars INCLUDING CONSTRAINTS, PRIMARY KEY (session, security_id))")
    ours, copy, ready, rows = [], [], [], []
    for session in days:
        began = time.perf_counter()
        report = sync_daily_bars(context, start=session, end=session)
        ours.append(time.perf_counter() - began)
        if report.state != "SUCCESS":
            raise SystemExit(f"{session}: {report.state}, {report.reason}")
        held = _held(engine, session)
        rows.append(len(held))
        columns = [[None if one == ABSENT else int(one) for one in column] for column in held.values.values()]
        lines = list(zip(map(day, held.sessions), held.ids.tolist(), [NOW] * len(held), *columns, strict=True))
        packed = pack(held, at=NOW)
        began = time.perf_counter()
        with _copying(engine, "bare", held) as into:
            for line in lines:
                into.write_row(line)
        copy.append(time.perf_counter() - began)
        began = time.perf_counter()
        with _copying(engine, "ready", held, form="(FORMAT BINARY)") as into:
            into.write(packed)
        ready.append(time.perf_counter() - began)
    ours_, copy_, ready_, rows_ = (statistics.median(some[1:]) for some in (ours, copy, ready, rows))
    return ours_, copy_, ready_, rows_


def _held(engine: Engine, session: date) -> BarColumns:
    where = sql.SQL("WHERE session = {}").format(session)
    with transaction(engine) as connection:
        held = joined(list(copy_out(connection, BAR_FIELDS, where=where)), BAR_FIELDS).by_key()
    assert {day(number) for number in held.sessions} == {session}
    return held


@contextlib.contextmanager
def _copying(engine: Engine, table: str, held: BarColumns, *, form: str = "") -> Iterator[Copy]:
    names = ", ".join(("session", "security_id", "recorded_at", *held.values))
    with (
        transaction(engine) as connection,
        driver(connection).cursor() as cursor,
        cursor.copy(f"COPY {table} ({names}) FROM STDIN {form}") as copy,
    ):
        yield copy
