"""Daily bars as readers ask for them: one security's history."""

from __future__ import annotations

from datetime import date

from sqlalchemy import Connection, select

from app.market.bar import BAR_FIELDS, Bar
from app.store.tables import bars, securities


def read_bars(
    connection: Connection,
    symbol: str,
    *,
    start: date | None = None,
    end: date | None = None,
    limit: int | None = None,
) -> list[Bar]:
    """The held raw bars of *symbol*, oldest first, from *start* to *end* (both included); the newest *limit* of them.

    Empty where nothing is held, also of a symbol that nobody knows.
    """
    query = (
        select(bars.c.session, *(bars.c[name] for name in BAR_FIELDS))
        .join_from(bars, securities, securities.c.id == bars.c.security_id)
        .where(securities.c.symbol == symbol)
        .order_by(bars.c.session.desc())
        .limit(limit)
    )
    if start is not None:
        query = query.where(bars.c.session >= start)
    if end is not None:
        query = query.where(bars.c.session <= end)
    newest_first = [Bar(symbol, *row) for row in connection.execute(query)]
    return newest_first[::-1]
