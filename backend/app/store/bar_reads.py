"""Daily bars, read: one security's history, counts by session, or a whole panel as columns."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import date, datetime
from typing import Any, TypeVar, cast

from psycopg import sql
from sqlalchemy import Connection, Select, func, select

from app.market.bar import BAR_FIELDS, Bar
from app.market.security import Venue
from app.store.bar_columns import BarColumns, joined
from app.store.bar_copy import copy_out
from app.store.bars_as_of import as_stood, as_stood_sql
from app.store.engine import driver
from app.store.securities import ids_for
from app.store.tables import bars, securities

BarValues = tuple[date, int | None, int | None, int | None, int | None, int | None, int | None, int | None, int | None]
"""The session, then the fields of a bar in their order."""
_Query = TypeVar("_Query", bound=Select[Any])


def read_bars(
    connection: Connection,
    symbol: str,
    *,
    start: date | None = None,
    end: date | None = None,
    limit: int | None = None,
    as_of: datetime | None = None,
) -> list[Bar]:
    """The bars of *symbol* from *start* to *end* (both included, None: open), oldest first.

    With *limit* the newest so many; with *as_of* (aware) as they stood then. No bars, or no such symbol: an empty list.
    """
    rows = read_bar_rows(connection, symbol, start=start, end=end, limit=limit, as_of=as_of)
    return [Bar(symbol, *row) for row in rows]


def read_bar_rows(
    connection: Connection,
    symbol: str,
    *,
    start: date | None = None,
    end: date | None = None,
    limit: int | None = None,
    as_of: datetime | None = None,
) -> list[BarValues]:
    """The same as plain rows, for who has many to write: an object each takes as long as reading it."""
    query = _HISTORY if as_of is None else _history_of(as_stood_sql(as_of))
    first, last = start or date.min, end or date.max
    # Prepared and by the driver itself: what SQLAlchemy adds to a statement is as much as this one takes.
    rows = driver(connection).execute(query, [symbol, first, last, limit], prepare=as_of is None).fetchall()
    return cast("list[BarValues]", rows[::-1])


def _history_of(table: sql.Composable) -> sql.Composed:
    return sql.SQL(
        "SELECT session, {} FROM {} WHERE security_id = (SELECT id FROM securities WHERE symbol = %s) "
        "AND session BETWEEN %s AND %s ORDER BY session DESC LIMIT %s"
    ).format(sql.SQL(", ").join(map(sql.Identifier, BAR_FIELDS)), table)


_HISTORY = _history_of(sql.SQL("bars")).as_bytes()


def last_session(connection: Connection, *, venue: Venue | None = None) -> date | None:
    """The newest session of which any bar is held (of *venue*, if given); None when there is none."""
    query = select(bars.c.session).order_by(bars.c.session.desc()).limit(1)
    return connection.scalar(_of_venue(query, venue))


def held_range(connection: Connection, symbol: str, *, as_of: datetime | None = None) -> tuple[date, date] | None:
    """The first and the last session of which a bar of *symbol* is held (or was then); None when there is none."""
    table = bars if as_of is None else as_stood(as_of)
    owner = select(securities.c.id).where(securities.c.symbol == symbol).scalar_subquery()
    query = select(table.c.session).where(table.c.security_id == owner).limit(1)
    first = connection.scalar(query.order_by(table.c.session))
    last = connection.scalar(query.order_by(table.c.session.desc()))
    return None if first is None or last is None else (first, last)


def count_by_session(
    connection: Connection, *, start: date | None = None, end: date | None = None, venue: Venue | None = None
) -> dict[date, int]:
    """Session → number of bars held, oldest first; a session without any is not in it."""
    query = select(bars.c.session, func.count()).group_by(bars.c.session).order_by(bars.c.session)
    return {row[0]: row[1] for row in connection.execute(_within(_of_venue(query, venue), start, end))}


def read_panel(
    connection: Connection,
    *,
    start: date,
    end: date,
    symbols: Collection[str] | None = None,
    fields: Sequence[str] = BAR_FIELDS,
    as_of: datetime | None = None,
    rows: int = 100_000,
) -> Iterator[BarColumns]:
    """Every bar from *start* to *end*, oldest session first and sorted by id within it, in parts of about *rows* rows.

    Whole sessions, by binary COPY into arrays: memory stays flat whatever the range. One statement, hence one state
    of the data: that of now, or with *as_of* (aware) as it stood then. *symbols* None means all;
    ``securities.list_securities`` tells which id is which symbol.
    """
    where = sql.SQL("WHERE session BETWEEN {} AND {}").format(start, end)
    if symbols is not None:
        where += sql.SQL(" AND security_id = ANY({}::int[])").format(sorted(ids_for(connection, symbols).values()))
    table = sql.SQL("bars") if as_of is None else as_stood_sql(as_of)
    held: list[BarColumns] = []
    for session in copy_out(connection, fields, where=where, ordered=True, table=table):
        held.append(session.by_key())
        if sum(map(len, held)) >= rows:
            yield joined(held, fields)
            held = []
    if held:
        yield joined(held, fields)


def _within(query: _Query, start: date | None, end: date | None) -> _Query:
    if start is not None:
        query = query.where(bars.c.session >= start)
    return query if end is None else query.where(bars.c.session <= end)


def _of_venue(query: _Query, venue: Venue | None) -> _Query:
    if venue is None:
        return query
    return query.join(securities, securities.c.id == bars.c.security_id).where(securities.c.venue == venue)
