"""Rows in an order that their reader chose, a page at a time: each comes once, whatever is written meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Connection, Select, and_, literal, or_, select, tuple_

from app.errors import UnknownRow

_Query = TypeVar("_Query", bound=Select[Any])

By = Sequence[tuple[ColumnElement[Any], bool]]
"""What orders the rows, each with whether it descends; together they name one row, and none is ever NULL."""


def descends(order: str) -> bool:
    """Whether the order is written with a minus: from the last one to the first."""
    return order.startswith("-")


def turn(query: _Query, by: By, *, after: Sequence[Any] | None, limit: int | None) -> _Query:
    """The page of *query* that follows the row whose values of *by* are *after*; the first one without it."""
    if after is not None:
        query = query.where(_beyond(by, after))
    return query.order_by(*(key.desc() if down else key for key, down in by)).limit(limit)


def place(connection: Connection, by: By, row: ColumnElement[bool]) -> Sequence[Any]:
    """The values of *by* of the row that *row* names.

    Raises:
        UnknownRow: it is gone, so nobody knows what follows it.
    """
    found = connection.execute(select(*(key for key, _ in by)).where(row)).one_or_none()
    if found is None:
        raise UnknownRow("The last row of the page before is held no more: begin with the first page.")
    return tuple(found)


def _beyond(by: By, after: Sequence[Any]) -> ColumnElement[bool]:
    values = [literal(value, key.type) for (key, _), value in zip(by, after, strict=True)]
    if len({down for _, down in by}) == 1:  # in this form an index leads to the very row
        keys, last = tuple_(*(key for key, _ in by)), tuple_(*values)
        return keys < last if by[0][1] else keys > last
    (key, down), value = by[0], values[0]
    further = key < value if down else key > value
    return or_(further, and_(key == value, _beyond(by[1:], after[1:])))
