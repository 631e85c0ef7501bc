"""Bars through PostgreSQL's binary COPY, both ways, packed and unpacked by numpy a whole column at a time.

The format is PostgreSQL's: https://www.postgresql.org/docs/18/sql-copy.html#SQL-COPY-FILE-FORMATS-BINARY
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
from psycopg import sql
from sqlalchemy import BigInteger, Connection

from app.errors import StoreError
from app.market.bar import ABSENT
from app.market.bar_table import Ints
from app.store.bar_columns import BarColumns
from app.store.engine import driver
from app.store.tables import bars

_HEADER = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
_TRAILER = b"\xff\xff"
_ARRAY_HEADER = 20  # dimensions, whether NULLs, element type, length, lower bound
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_WIDE = {column.name for column in bars.columns if isinstance(column.type, BigInteger)} | {"recorded_at"}


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
    connection: Connection,
    fields: Sequence[str],
    *,
    where: sql.Composable,
    ordered: bool = False,
    table: sql.Composable = sql.SQL("bars"),
) -> Iterator[BarColumns]:
    """The bars of *table* that *where* (``WHERE …`` or nothing) selects, a session at a time, unsorted within it.

    PostgreSQL gathers each session into one array a column: a few large messages, where one a row costs a client
    ten times the processor time. A NULL comes as ABSENT, so that an array has one width and is read without a loop.
    """
    by = sql.SQL("GROUP BY session ORDER BY session" if ordered else "GROUP BY session")
    columns = ("session", "security_id", *fields)
    for session, values in _grouped(connection, columns, rest=sql.SQL("{} {} {}").format(table, where, by)):
        ids = values.pop("security_id")
        yield BarColumns(np.full(len(ids), session, np.int64), ids, values)


def copy_histories(
    connection: Connection, fields: Sequence[str], *, where: sql.Composable, table: sql.Composable = sql.SQL("bars")
) -> Iterator[BarColumns]:
    """The bars of *table* that *where* selects, a security at a time, oldest session first within it."""
    rest = sql.SQL("{} {} GROUP BY security_id").format(table, where)
    for security_id, values in _grouped(connection, ("security_id", "session", *fields), rest=rest):
        sessions = values.pop("session")
        yield BarColumns(sessions, np.full(len(sessions), security_id, np.int64), values).by_key()


def _grouped(
    connection: Connection, columns: Sequence[str], *, rest: sql.Composable
) -> Iterator[tuple[int, dict[str, Ints]]]:
    """For each value of the first column the others as arrays; a session in days since 2000-01-01."""
    first, *others = columns
    arrays = [
        sql.SQL("array_agg({})").format(
            sql.SQL("session - date '2000-01-01'") if name == "session" else _or_absent(name)
        )
        for name in others
    ]
    statement = sql.SQL("COPY (SELECT {}, {} FROM {}) TO STDOUT (FORMAT BINARY)").format(
        sql.Identifier(first), sql.SQL(", ").join(arrays), rest
    )
    with driver(connection).cursor() as cursor, cursor.copy(statement) as copy:
        at = len(_HEADER)  # libpq gives whole rows: the first block is the header and a row, the last the trailer
        for block in copy:
            row = memoryview(block)[at:]
            at = 0
            if row != _TRAILER:
                yield _group(row, others)


def _or_absent(name: str) -> sql.Composable:
    return sql.SQL("coalesce({}, {})").format(sql.Identifier(name), sql.Literal(ABSENT))


def _group(row: memoryview, names: Sequence[str]) -> tuple[int, dict[str, Ints]]:
    """One row of ``_grouped``: a number of fields, then each with its length; an array has a header of its own."""
    count, _, key = struct.unpack_from(">hii", row)
    if count != len(names) + 1:
        raise StoreError(f"PostgreSQL's COPY of bars has {count} columns instead of {len(names) + 1}.")
    values: dict[str, Ints] = {}
    at = struct.calcsize(">hii")
    for name in names:
        length, _, absent, _, size, _ = struct.unpack_from(">iiiIii", row, at)
        element = np.dtype([("bytes", ">i4"), ("value", f">i{_width(name)}")])
        if absent or length != _ARRAY_HEADER + size * element.itemsize:
            raise StoreError(f"PostgreSQL's COPY of bars gives {name} in {length} bytes, not as asked for.")
        at += 4 + _ARRAY_HEADER
        values[name] = np.frombuffer(row, element, size, at)["value"].astype(np.int64)
        at += size * element.itemsize
    return key, values


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
