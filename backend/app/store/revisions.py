"""Revisions: values that a venue published and later changed, as ``bars`` recorded them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Connection, select

from app.store.bar_sharpening import is_only_sharper
from app.store.tables import revisions, securities


@dataclass(frozen=True, slots=True)
class Revision:
    """One cell: ``old`` was held, ``new`` (None: withdrawn) replaced it at ``seen_at``. Units as in ``Bar``."""

    symbol: str
    session: date
    field: str
    old: int
    new: int | None
    source: str
    run_id: str | None
    seen_at: datetime


def list_revisions(
    connection: Connection, *, symbol: str | None = None, run_id: str | None = None, limit: int = 100
) -> list[Revision]:
    """Revisions, newest first; of one symbol or of one run if asked. Values that only became exact are none."""
    columns = [revisions.c[name] for name in ("session", "field", "old", "new", "source", "run_id", "seen_at")]
    query = (
        select(securities.c.symbol, *columns)
        .join(securities, securities.c.id == revisions.c.security_id)
        .where(revisions.c.old.is_not(None), ~is_only_sharper())
        .order_by(revisions.c.id.desc())
        .limit(limit)
    )
    if symbol is not None:
        query = query.where(securities.c.symbol == symbol)
    if run_id is not None:
        query = query.where(revisions.c.run_id == run_id)
    return [Revision(*row) for row in connection.execute(query)]
