"""Runs as bars in time, with what a picture needs and no more."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Unpack

from sqlalchemy import Connection, or_, select

from app.store.counts import Counts
from app.store.run_filters import RunFilters, clauses
from app.store.tables import runs


@dataclass(frozen=True, slots=True)
class Span:
    """A run from its wish to its end; without a *worker* it still waits, without *finished_at* it goes on."""

    id: str
    task: str
    state: str
    worker: str | None
    queued_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    counts: Counts


def in_window(
    connection: Connection, *, start: datetime, end: datetime, limit: int, **wanted: Unpack[RunFilters]
) -> list[Span]:
    """The newest runs that waited or worked at some time from *start* to *end*, the newest wish first."""
    names = [name for name in Span.__slots__ if name != "counts"]
    query = (
        select(*(runs.c[name] for name in (*names, *Counts.__slots__)))
        .where(*clauses(wanted), runs.c.queued_at <= end)
        .where(or_(runs.c.finished_at >= start, runs.c.finished_at.is_(None)))
        .order_by(runs.c.queued_at.desc(), runs.c.id.desc())
        .limit(limit)
    )
    # By place, for there may be a thousand.
    parts: list[list[Any]] = [
        [*row[: len(names)], Counts(*row[len(names) :])] for row in connection.execute(query).all()
    ]
    return [Span(*part) for part in parts]
