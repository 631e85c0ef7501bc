"""Revisions: values that a venue published and later changed, as ``bars`` recorded them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from sqlalchemy import Connection, select

from app.store.bar_sharpening import is_only_sharper
from app.store.in_order import descends, place, turn
from app.store.tables import revisions, securities

Order = Literal["seen_at", "-seen_at", "session", "-session", "symbol", "-symbol"]
"""By which column; with a minus from the last to the first."""


@dataclass(frozen=True, slots=True)
class Revision:
    """One cell: ``old`` was held, ``new`` (None: withdrawn) replaced it at ``seen_at``. Units as in ``Bar``."""

    id: int
    symbol: str
    session: date
    field: str
    old: int
    new: int | None
    source: str
    run_id: str | None
    seen_at: datetime


def list_revisions(
    connection: Connection,
    *,
    symbol: str | None = None,
    run_id: str | None = None,
    order: Order = "-seen_at",
    after: int | None = None,
    limit: int = 100,
) -> list[Revision]:
    """Revisions, newest first unless *order* says otherwise, from the one *after* that id.

    Of one symbol or of one run if asked. Values that only became exact are none.
    """
    down, name = descends(order), order.removeprefix("-")
    row = (revisions.c.id, down)  # ids come in the order in which they were seen
    by = {"seen_at": [row], "session": [(revisions.c.session, down), row], "symbol": [(securities.c.symbol, down), row]}
    last = None
    if after is not None:
        held = (revisions.c.id == after) & (securities.c.id == revisions.c.security_id)
        last = place(connection, by[name], held)
    columns = [revisions.c[name] for name in ("session", "field", "old", "new", "source", "run_id", "seen_at")]
    query = (
        select(revisions.c.id, securities.c.symbol, *columns)
        .join(securities, securities.c.id == revisions.c.security_id)
        .where(revisions.c.old.is_not(None), ~is_only_sharper())
    )
    if symbol is not None:
        query = query.where(securities.c.symbol == symbol)
    if run_id is not None:
        query = query.where(revisions.c.run_id == run_id)
    return [Revision(*row) for row in connection.execute(turn(query, by[name], after=last, limit=limit))]
