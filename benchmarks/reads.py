"""Reading: a whole panel, one security's history over the API, and all latest quotes over the API.

Each beside its limit, in turn on the same servers: the panel beside PostgreSQL's own COPY to /dev/null, the history
beside the bare SQL that has its rows, the quotes beside the bare Redis read of their hash. The web is a
process of its own, asked over a connection that stays.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime

import psycopg
import redis
from sqlalchemy import Engine, text

from app.cache import quotes
from app.cache.keys import QUOTES
from app.market.bar import BAR_FIELDS
from app.market.quote import Quote
from app.market.security import Venue
from app.store.bar_reads import read_panel
from app.store.engine import snapshot
from app.store.securities import ids_for
from benchmarks.claim import Claim, ms
from benchmarks.panel import Panel, load
from benchmarks.server import command, database, valkey
from benchmarks.web import getting, side_by_side, web

BARS = 250
TIMES = 300
SYMBOL = "1001"
"""Whole: it has a bar of every session."""
MOST_OF_SQL, MOST_OF_REDIS, FEWEST_OF_COPY = 3.0, 2.0, 1 / 3


def main() -> list[Claim]:
    panel = Panel.make()
    with database() as engine, valkey() as (url, _), redis.Redis.from_url(url) as cache:
        load(engine, panel)
        rows, ours, limit = _panel(engine)
        with web(engine, url) as port:
            one = getting(port, f"/api/v1/bars/{SYMBOL}?limit={BARS}")
            history, sql = side_by_side(one, _history_sql(engine), times=TIMES)
            save_quotes(cache, panel.symbols)
            every = getting(port, "/api/v1/quotes")
            latest, bare = side_by_side(every, lambda: cache.hgetall(QUOTES.pattern), times=TIMES)
    print(f"Reading {rows:,} bars of {len(panel.symbols):,} securities in {len(panel.days):,} sessions")
    print(f"  the whole panel into arrays, rows/s {ours:>12,.0f}   limit: COPY to /dev/null {limit:>12,.0f}")
    print(
        f"  {BARS} bars of one security, p50 ms  {history * 1e3:>12.2f}   limit: the bare SQL      {sql * 1e3:>12.2f}"
    )
    print(f"  all latest quotes, p50 ms          {latest * 1e3:>12.2f}   limit: the bare HGETALL  {bare * 1e3:>12.2f}")
    return [
        Claim(
            name="rows a second of a panel into arrays ÷ COPY to /dev/null", value=ours / limit, least=FEWEST_OF_COPY,
            ours=f"{ours:,.0f}", beside=f"{limit:,.0f}",
        ),
        Claim(
            name=f"p50 of {BARS} bars over the API ÷ their SQL", value=history / sql, most=MOST_OF_SQL,
            ours=ms(history), beside=ms(sql),
        ),
        Claim(
            name="p50 of all latest quotes over the API ÷ their HGETALL", value=latest / bare, most=MOST_OF_REDIS,
            ours=ms(latest), beside=ms(bare),
        ),
    ]  # fmt: skip


def _panel(engine: Engine) -> tuple[int, float, float]:
    """How many bars; rows a second of all fields into arrays, and of the same columns to /dev/null by the server."""
    names = ", ".join(("session", "security_id", *BAR_FIELDS))
    ours, limit = [], []
    with snapshot(engine) as connection:
        rows, first, last = connection.execute(text("SELECT count(*), min(session), max(session) FROM bars")).one()
    for _ in range(3):
        began = time.perf_counter()
        with snapshot(engine) as connection:
            held = sum(len(part) for part in read_panel(connection, start=first, end=last))
        ours.append(rows / (time.perf_counter() - began))
        if held != rows:
            raise SystemExit(f"{held} bars were read where {rows} are held")
        began = time.perf_counter()
        command(engine, f"COPY (SELECT {names} FROM bars) TO '/dev/null' (FORMAT BINARY)")
        limit.append(rows / (time.perf_counter() - began))
    return rows, statistics.median(ours), statistics.median(limit)


def _history_sql(engine: Engine) -> Callable[[], object]:
    """The statement that has these rows, prepared, on a connection that stays."""
    with engine.connect() as connection:
        security = ids_for(connection, [SYMBOL])[SYMBOL]
    url = engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    connection = psycopg.connect(url, autocommit=True)
    query = (
        f"SELECT session, {', '.join(BAR_FIELDS)} FROM bars WHERE security_id = %s ORDER BY session DESC LIMIT {BARS}"
    )

    def ask() -> object:
        rows = connection.execute(query, [security], prepare=True).fetchall()
        if len(rows) != BARS:
            raise SystemExit(f"{len(rows)} bars instead of {BARS}")
        return rows

    return ask


def save_quotes(cache: redis.Redis, symbols: list[str]) -> None:
    """A quote of each, as the sync leaves them in Redis."""
    at = datetime.now(UTC)
    book = ((100_0000, 5_000),) * 5
    made = [
        Quote(
            one, f"公司{one}", Venue.TWSE, at, last=100_0000, open=99_0000, high=101_0000, low=98_0000,
            reference=99_5000, limit_up=109_0000, limit_down=89_0000, volume=1_000_000, bids=book, asks=book,
        )
        for one in symbols
    ]  # fmt: skip
    quotes.save(cache, made, at=at)
