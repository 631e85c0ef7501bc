"""Readings: what was measured over time, a value a minute and subject."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Connection, func, select, text
from sqlalchemy.dialects.postgresql import insert

from app.store.tables import readings

Series = dict[str, list[tuple[datetime, float]]]
"""Subject → instants and values, oldest first."""


def add(connection: Connection, measured: Iterable[tuple[str, str, float]], *, at: datetime) -> int:
    """Write (measure, subject, value) down for the minute of *at*; what somebody else wrote of it stays."""
    minute = at.replace(second=0, microsecond=0)
    rows = [{"measure": name, "subject": subject, "at": minute, "value": value} for name, subject, value in measured]
    if not rows:
        return 0
    written = insert(readings).values(rows).on_conflict_do_nothing().returning(readings.c.subject)
    return len(connection.execute(written).all())


def series(connection: Connection, measure: str, *, start: datetime, end: datetime, points: int) -> Series:
    """The highest value of each of about *points* equal spans from *start* to *end*, by subject."""
    width = (end - start) / points
    span = func.date_bin(width, readings.c.at, start)
    rows = connection.execute(
        select(readings.c.subject, span.label("span"), func.max(readings.c.value).label("value"))
        .where(readings.c.measure == measure, readings.c.at >= start, readings.c.at <= end)
        .group_by(readings.c.subject, text("span"))
        .order_by(readings.c.subject, text("span"))
    ).all()
    found: Series = {}
    for row in rows:
        found.setdefault(row.subject, []).append((row.span, row.value))
    return found
