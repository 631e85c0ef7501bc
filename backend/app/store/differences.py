"""Differences: cells in which another source says something else than the exchange. Bars are not written here."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal, TypeVar

from sqlalchemy import Connection, Select, case, delete, func, select, tuple_
from sqlalchemy.dialects.postgresql import insert

from app.market.comparison import Difference
from app.store.in_order import descends, turn
from app.store.tables import differences, securities

Order = Literal["session", "-session", "symbol", "-symbol", "source", "-source", "field", "-field"]
"""By which of what names a cell, with a minus from the last to the first; then by the others, ascending."""
Place = tuple[date, str, str, str]
"""What names a cell: session, symbol, source and field."""

_NAMED = {
    "session": differences.c.session,
    "symbol": securities.c.symbol,
    "source": differences.c.source,
    "field": differences.c.field,
}

_Query = TypeVar("_Query", bound=Select[Any])


@dataclass(frozen=True, slots=True)
class HeldDifference:
    """A cell as it was last compared: units as in ``Bar``; None is a side without a value."""

    source: str
    symbol: str
    session: date
    field: str
    ours: int | None
    theirs: int | None
    run_id: str | None
    seen_at: datetime


@dataclass(frozen=True, slots=True)
class Settled:
    """What settling took: rows that are new or have other values, rows that stood there already, rows taken away."""

    stored: int
    unchanged: int
    gone: int


@dataclass(frozen=True, slots=True)
class Tally:
    """Of some differences, in cells."""

    different: int
    absent_there: int
    absent_here: int


def settle(
    connection: Connection,
    source: str,
    security_id: int,
    *,
    sessions: Collection[date],
    fields: Collection[str],
    found: Iterable[Difference],
    run_id: str | None,
    at: datetime,
) -> Settled:
    """Make the table hold exactly *found* of the cells *sessions* × *fields*; other cells stay as they are.

    A difference that is there no longer is deleted. One that is seen again keeps its row, with the newest run and
    instant.
    """
    told = {(one.session, one.field): one for one in found}
    cells = (
        differences.c.source == source,
        differences.c.security_id == security_id,
        differences.c.session.in_(sessions),
        differences.c.field.in_(fields),
    )
    query = select(differences.c.session, differences.c.field, differences.c.ours, differences.c.theirs).where(*cells)
    held = {(session, field): (ours, theirs) for session, field, ours, theirs in connection.execute(query)}
    gone = [key for key in held if key not in told]
    if gone:
        key = tuple_(differences.c.session, differences.c.field)
        connection.execute(delete(differences).where(*cells, key.in_(gone)))
    rows = [
        {
            "source": source,
            "security_id": security_id,
            "session": one.session,
            "field": one.field,
            "ours": one.ours,
            "theirs": one.theirs,
            "run_id": run_id,
            "seen_at": at,
        }
        for one in told.values()
    ]
    if rows:
        upsert = insert(differences)
        newest = {name: upsert.excluded[name] for name in ("ours", "theirs", "run_id", "seen_at")}
        connection.execute(
            upsert.on_conflict_do_update(index_elements=list(differences.primary_key), set_=newest), rows
        )
    same = sum(held.get(key) == (one.ours, one.theirs) for key, one in told.items())
    return Settled(stored=len(told) - same, unchanged=same, gone=len(gone))


def list_differences(
    connection: Connection,
    *,
    source: str | None = None,
    symbol: str | None = None,
    field: str | None = None,
    start: date | None = None,
    end: date | None = None,
    order: Order = "-session",
    after: Place | None = None,
    limit: int | None = None,
    offset: int = 0,
) -> list[HeldDifference]:
    """Differences, newest session first unless *order* says otherwise, from the one *after* that cell.

    Of one source, symbol or field, or of a range of sessions if asked.
    """
    columns = [differences.c[name] for name in ("session", "field", "ours", "theirs", "run_id", "seen_at")]
    query = select(differences.c.source, securities.c.symbol, *columns)
    query = _where(query, source=source, symbol=symbol, field=field, start=start, end=end)
    first = order.removeprefix("-")
    names = [first, *(name for name in _NAMED if name != first)]
    by = [(_NAMED[name], name == first and descends(order)) for name in names]
    last = None if after is None else [dict(zip(_NAMED, after, strict=True))[name] for name in names]
    query = turn(query, by, after=last, limit=limit)
    return [HeldDifference(*row) for row in connection.execute(query.offset(offset))]


def count_differences(
    connection: Connection,
    *,
    source: str | None = None,
    symbol: str | None = None,
    field: str | None = None,
    start: date | None = None,
    end: date | None = None,
) -> int:
    """How many differences the same filters of ``list_differences`` select."""
    query = _where(select(func.count()), source=source, symbol=symbol, field=field, start=start, end=end)
    return connection.scalar(query) or 0


def tally(connection: Connection, source: str, *, run_id: str | None, since: datetime) -> Tally:
    """The differences that a run saw; without one those seen by none since that instant."""
    of_run = differences.c.run_id == run_id if run_id else differences.c.run_id.is_(None)
    query = select(
        func.count(case(((differences.c.ours.is_not(None)) & (differences.c.theirs.is_not(None)), 1))),
        func.count(case((differences.c.theirs.is_(None), 1))),
        func.count(case((differences.c.ours.is_(None), 1))),
    ).where(differences.c.source == source, of_run)
    if run_id is None:
        query = query.where(differences.c.seen_at >= since)
    return Tally(*connection.execute(query).one())


def _where(
    query: _Query,
    *,
    source: str | None,
    symbol: str | None,
    field: str | None,
    start: date | None,
    end: date | None,
) -> _Query:
    query = query.select_from(differences).join(securities, securities.c.id == differences.c.security_id)
    asked = {differences.c.source: source, securities.c.symbol: symbol, differences.c.field: field}
    for column, value in asked.items():
        if value is not None:
            query = query.where(column == value)
    if start is not None:
        query = query.where(differences.c.session >= start)
    return query if end is None else query.where(differences.c.session <= end)
