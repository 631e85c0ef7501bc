"""Bars, lists and rows that the store's tests share."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import Connection, Engine, text

from app.market.bar import BAR_FIELDS, Bar
from app.market.security import Security, SecurityKind, Venue
from app.store.bars import Written, write_bars
from app.store.engine import transaction
from app.store.securities import save_list

NOW = datetime(2024, 5, 3, 14, 5, tzinfo=UTC)
DAY = date(2024, 5, 2)
ALL = frozenset(BAR_FIELDS)


def listed(*symbols: str, venue: Venue = Venue.TWSE, **values: Any) -> list[Security]:
    given: dict[str, Any] = {"kind": SecurityKind.STOCK} | values
    return [Security(**{"name": f"公司{symbol}"} | given, symbol=symbol, venue=venue) for symbol in symbols]


def list_them(connection: Connection, *symbols: str, venue: Venue = Venue.TWSE) -> None:
    save_list(connection, venue, listed(*symbols, venue=venue), at=NOW)


def bar(symbol: str = "2330", session: date = DAY, **values: int | None) -> Bar:
    whole = {
        "open": 7_800_000,
        "high": 7_900_000,
        "low": 7_750_000,
        "close": 7_850_000,
        "change": -50_000,
        "volume": 32_123_456,
        "turnover": 25_123_456_789,
        "trades": 41_234,
    }
    return Bar(symbol, session, **{**whole, **values})


def write(connection: Connection, *bars: Bar, **options: Any) -> Written:
    given: dict[str, Any] = {"fields": ALL, "source": "test", "run_id": "run-1", "at": NOW} | options
    return write_bars(connection, bars, **given)


def wal_position(engine: Engine) -> int:
    with transaction(engine) as connection:
        return int(connection.scalar(text("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn")) or 0)


def versions(connection: Connection, table: str) -> Sequence[object]:
    """Which transaction wrote each row, and where it lies: unchanged means that nothing touched it."""
    return connection.execute(text(f"SELECT xmin::text, ctid::text FROM {table} ORDER BY ctid")).all()
