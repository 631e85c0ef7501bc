"""Daily bars of many securities, one history after the other: what is read page by page."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date, datetime

from psycopg import sql
from sqlalchemy import Connection, func, select

from app.market.bar import BAR_FIELDS
from app.store.bar_columns import BarColumns
from app.store.bar_copy import copy_histories
from app.store.bars_as_of import as_stood, as_stood_sql
from app.store.tables import bars


def read_histories(
    connection: Connection,
    ids: Collection[int],
    *,
    start: date,
    end: date,
    fields: Sequence[str] = BAR_FIELDS,
    as_of: datetime | None = None,
) -> dict[int, BarColumns]:
    """Security → its bars from *start* to *end* (both included), oldest first; one without any is not in it.

    With *as_of* (aware), here and below, as they stood then.
    """
    where = sql.SQL("WHERE session BETWEEN {} AND {} AND security_id = ANY({}::int[])").format(start, end, sorted(ids))
    table = sql.SQL("bars") if as_of is None else as_stood_sql(as_of)
    found = copy_histories(connection, fields, where=where, table=table)
    return {int(history.ids[0]): history for history in found}


def count_bars(
    connection: Connection,
    ids: Collection[int],
    *,
    start: date,
    end: date,
    most: int,
    as_of: datetime | None = None,
) -> int:
    """How many bars these securities have from *start* to *end*; *most* when there are as many or more."""
    table = bars if as_of is None else as_stood(as_of)
    some = select(table.c.session).where(table.c.security_id.in_(sorted(ids)), table.c.session.between(start, end))
    return connection.scalar(select(func.count()).select_from(some.limit(most).subquery())) or 0


def held_sessions(connection: Connection) -> tuple[date, date] | None:
    """The first and the last session of which any bar is held; None when there is none."""
    first, last = connection.execute(select(func.min(bars.c.session), func.max(bars.c.session))).one()
    return None if first is None else (first, last)


def held_ranges_of(
    connection: Connection, ids: Collection[int], *, as_of: datetime | None = None
) -> dict[int, tuple[date, date]]:
    """Security → the first and the last session of which a bar of it is held; one without any is not in it."""
    table = bars if as_of is None else as_stood(as_of)
    query = (
        select(table.c.security_id, func.min(table.c.session), func.max(table.c.session))
        .where(table.c.security_id.in_(sorted(ids)))
        .group_by(table.c.security_id)
    )
    return {row[0]: (row[1], row[2]) for row in connection.execute(query)}
