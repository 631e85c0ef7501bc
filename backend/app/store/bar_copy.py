"""Bars through PostgreSQL's binary COPY, both ways, packed and unpacked by numpy a whole column at a time.

The format is PostgreSQL's: https://www.postgresql.org/docs/18/sql-copy.html#SQL-COPY-FILE-FORMATS-BINARY
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import psycopg
from psycopg import sql
from sqlalchemy import BigInteger, Connection

from app.errors import StoreError
from app.store.bar_columns import ABSENT, BarColumns
from app.store.tables import bars

_HEADER = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
_TRAILER = b"\xff\xff"
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_WIDE = {column.name for column in bars.columns if isinstance(column.type, BigInteger)} | {"recorded_at"}


def driver(connection: Connection) -> psycopg.Connection[tuple[object, ...]]:
    """The connection of psycopg itself, in the same transaction: SQLAlchemy knows no COPY."""
    found = connection.connection.driver_connection
    if not isinstance(found, psycopg.Connection):
        raise StoreError(f"The store speaks through psycopg 3, not {type(found).__module__}.")
    return found


def copy_in(connection: Connection, columns: BarColumns, *, at: datetime) -> None:
    """Append *columns* to ``bars`` as they are; fields that they lack stay NULL."""
    names = ("session", "security_id", "recorded_at", *columns.values)
    statement = sql.SQL("COPY bars ({}) FROM STDIN (FORMAT BINARY)").format(_identifiers(names))
    with driver(connection).cursor() as cursor, cursor.copy(statement) as copy:
        copy.write(pack(columns, at=at))


def pack(columns: BarColumns, *, at: datetime) -> bytes:
    """A whole binary COPY of *columns*: session, security_id, recorded_at, then its fields in order."""
    layout = _layout(("session", "security_id", "recorded_at", *columns.values))
    rows = np.zeros(len(columns), layout)
    rows["fields"] = len(columns.values) + 3
    rows["session"], rows["security_id"] = columns.sessions, columns.ids
    rows["recorded_at"] = (at - _EPOCH) // timedelta(microseconds=1)
    for name in ("session", "security_id", "recorded_at", *columns.values):
        rows[f"{name} bytes"] = _width(name)
    for name, values in columns.values.items():
        rows[name] = values
    absent = {name: missing for name, v in columns.values.items() if (missing := v == ABSENT).any()}
    if not absent:
        return _HEADER + rows.tobytes() + _TRAILER
    # NULL is a length of -1 and no bytes: cut the bytes of absent values out of the fixed-width rows.
    keep = np.ones((len(columns), layout.itemsize), np.bool_)
    for name, missing in absent.items():
        rows[f"{name} bytes"][missing] = -1
        offset = _offset(layout, name)
        keep[missing, offset : offset + _width(name)] = False
    return _HEADER + rows.view(np.uint8).reshape(keep.shape)[keep].tobytes() + _TRAILER


def copy_out(
    connection: Connection, fields: Sequence[str], *, where: sql.Composable, rows: int = 50_000
) -> Iterator[BarColumns]:
    """The bars that *where* (``WHERE … ORDER BY …``) selects, in parts of about *rows* rows, whatever their number."""
    # A NULL comes as ABSENT, so that every row has one width and a part is read without a loop.
    picked = [
        sql.SQL("coalesce({}, {})").format(sql.Identifier(name), sql.Literal(ABSENT)) for name in fields
    ]  # trades, prices: integer; volume, turnover: bigint, to which the literal is widened
    statement = sql.SQL("COPY (SELECT session, security_id, {} FROM bars {}) TO STDOUT (FORMAT BINARY)").format(
        sql.SQL(", ").join(picked), where
    )
    layout = _layout(("session", "security_id", *fields))
    held = bytearray()
    started = False
    with driver(connection).cursor() as cursor, cursor.copy(statement) as copy:
        for block in copy:
            held += block
            if not started:
                if len(held) < len(_HEADER):
                    continue
                del held[: len(_HEADER)]
                started = True
            if len(held) > rows * layout.itemsize:
                whole = len(held) // layout.itemsize * layout.itemsize
                yield _unpack(bytes(held[:whole]), layout, fields)
                del held[:whole]
    if len(held) % layout.itemsize != len(_TRAILER):
        raise StoreError(f"PostgreSQL's COPY of bars ended with {len(held) % layout.itemsize} bytes over.")
    if len(held) > len(_TRAILER):
        yield _unpack(bytes(held[: -len(_TRAILER)]), layout, fields)


def _unpack(block: bytes, layout: np.dtype[np.void], fields: Sequence[str]) -> BarColumns:
    rows = np.frombuffer(block, layout)
    if (rows["fields"] != len(fields) + 2).any():
        raise StoreError("PostgreSQL's COPY of bars is not laid out as asked for.")
    return BarColumns(
        rows["session"].astype(np.int64),
        rows["security_id"].astype(np.int64),
        {name: rows[name].astype(np.int64) for name in fields},
    )


def _layout(names: Sequence[str]) -> np.dtype[np.void]:
    pairs = [pair for name in names for pair in ((f"{name} bytes", ">i4"), (name, f">i{_width(name)}"))]
    return np.dtype([("fields", ">i2"), *pairs])


def _width(name: str) -> int:
    return 8 if name in _WIDE else 4


def _offset(layout: np.dtype[np.void], name: str) -> int:
    assert layout.fields is not None  # noqa: S101 - a structured dtype always has them; this is for the type checker
    return int(layout.fields[name][1])


def _identifiers(names: Sequence[str]) -> sql.Composable:
    return sql.SQL(", ").join(map(sql.Identifier, names))
