"""Quarantine, read: the rows that wait and those that are decided, by filter, page and rule."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, Row, func, select

from app.market.security import Venue
from app.store.in_order import descends, place, turn
from app.store.tables import QUARANTINE_KEYS, quarantine

Decision = Literal["stored", "dismissed", "mended"]
Order = Literal["seen_at", "-seen_at", "session", "-session", "symbol", "-symbol", "rule", "-rule"]
"""By which column; with a minus from the last to the first. Those without a value come before all others."""


@dataclass(frozen=True, slots=True)
class HeldRow:
    """A quarantined row; open until somebody decides on it, or it is mended."""

    id: int
    venue: Venue
    dataset: str
    session: date | None
    symbol: str | None
    rule: str
    reason: str
    raw: Mapping[str, Any]
    parsed: Mapping[str, Any] | None
    severity: str
    run_id: str | None
    seen_at: datetime
    last_seen_at: datetime
    released_at: datetime | None
    decision: Decision | None
    decided_by: str | None
    note: str | None


@dataclass(frozen=True, slots=True)
class Filter:
    """Which rows; what is None does not matter. ``decided`` False: those that are open."""

    rule: str | None = None
    severity: str | None = None
    venue: Venue | None = None
    dataset: str | None = None
    symbol: str | None = None
    start: date | None = None
    end: date | None = None
    decided: bool | None = False


def get(connection: Connection, row_id: int) -> HeldRow | None:
    """One row."""
    row = connection.execute(select(quarantine).where(quarantine.c.id == row_id)).one_or_none()
    return None if row is None else _held(row)


def lock(connection: Connection, ids: Collection[int]) -> dict[int, HeldRow]:
    """Rows by id, as they are once nobody else is at them; nobody can decide on them until the transaction ends."""
    query = select(quarantine).where(quarantine.c.id.in_(ids)).order_by(quarantine.c.id).with_for_update()
    return {row.id: _held(row) for row in connection.execute(query)}


def list_rows(
    connection: Connection,
    which: Filter = Filter(),
    *,
    order: Order = "-seen_at",
    after: int | None = None,
    limit: int | None = 100,
    offset: int = 0,
) -> list[HeldRow]:
    """The rows of a filter, the newest first unless *order* says otherwise, from the one *after* that id."""
    down = descends(order)
    by = [(QUARANTINE_KEYS[order.removeprefix("-")], down), (quarantine.c.id, down)]
    last = None if after is None else place(connection, by, quarantine.c.id == after)
    query = turn(select(quarantine).where(*_conditions(which)), by, after=last, limit=limit)
    return [_held(row) for row in connection.execute(query.offset(offset))]


def count_rows(connection: Connection, which: Filter = Filter()) -> int:
    """How many rows the filter has."""
    return connection.scalar(select(func.count()).select_from(quarantine).where(*_conditions(which))) or 0


def count_by_rule(connection: Connection, which: Filter = Filter()) -> dict[str, int]:
    """Rule → how many rows of the filter break it, the most first."""
    number = func.count()
    query = select(quarantine.c.rule, number).where(*_conditions(which)).group_by(quarantine.c.rule)
    rows = connection.execute(query.order_by(number.desc(), quarantine.c.rule))
    return {rule: count for rule, count in rows}  # noqa: C416 - rows are not pairs to mypy


def _conditions(which: Filter) -> list[ColumnElement[bool]]:
    named = ("rule", "severity", "venue", "dataset", "symbol")
    found = [quarantine.c[name] == value for name in named if (value := getattr(which, name)) is not None]
    if which.start is not None:
        found.append(quarantine.c.session >= which.start)
    if which.end is not None:
        found.append(quarantine.c.session <= which.end)
    if which.decided is not None:
        closed = quarantine.c.released_at
        found.append(closed.is_not(None) if which.decided else closed.is_(None))
    return found


def _held(row: Row[Any]) -> HeldRow:
    return HeldRow(**{**row._mapping, "venue": Venue(row.venue)})  # noqa: SLF001 - SQLAlchemy's public name for it
