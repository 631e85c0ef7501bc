"""Halts: days on which a venue let a security not trade, so that a bar which is absent is explained."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, select, text

from app.market.corporate_action import ActionKind
from app.market.security import Venue
from app.store.tables import halts, securities

DERIVED = "corporate_actions"
"""The source of halts that nobody published: they follow from an action and from the bars around it."""
WITH_A_HALT = (ActionKind.REDUCTION, ActionKind.PAR_CHANGE, ActionKind.SPLIT, ActionKind.REVERSE_SPLIT)
"""New shares replace the old ones, and in between nothing can trade."""
LONGEST = 90
"""Calendar days; most last for a week or two. A last price further back says nothing of why there is none."""

_DERIVED = """
WITH standing AS (
    SELECT DISTINCT ON (a.security_id, a.ex_date, a.kind) a.security_id, a.ex_date, a.kind, a.withdrawn
    FROM corporate_actions a JOIN securities s ON s.id = a.security_id
    WHERE s.venue = :venue AND a.ex_date BETWEEN :start AND :end AND a.kind = ANY(:kinds)
    ORDER BY a.security_id, a.ex_date, a.kind, a.recorded_at DESC
), derived AS (
    SELECT DISTINCT ON (security_id, ex_date) security_id, kind, last.session + 1 AS first, ex_date - 1 AS last
    FROM standing CROSS JOIN LATERAL (
        SELECT max(b.session) AS session FROM bars b
        WHERE b.security_id = standing.security_id AND b.close IS NOT NULL
          AND b.session < ex_date AND b.session >= ex_date - CAST(:longest AS int)) AS last
    WHERE NOT withdrawn
      AND EXISTS (SELECT FROM bars b WHERE b.session BETWEEN last.session + 1 AND ex_date - 1)
    ORDER BY security_id, ex_date, kind
)
"""

# A halt of one action ends on the day before its ex-date: this is how what was derived before is found again.
_FORGET = text(
    _DERIVED
    + """
DELETE FROM halts h USING securities s
WHERE s.id = h.security_id AND s.venue = :venue AND h.source = :source
  AND h.last BETWEEN CAST(:start AS date) - 1 AND CAST(:end AS date) - 1
  AND NOT EXISTS (SELECT FROM derived d WHERE d.security_id = h.security_id AND d.first = h.first AND d.last = h.last)
RETURNING h.first, h.last
"""
)
_KEEP = text(
    _DERIVED
    + """
INSERT INTO halts (security_id, first, last, reason, source, recorded_at)
SELECT security_id, first, last, kind, :source, :at FROM derived
ON CONFLICT DO NOTHING RETURNING first, last
"""
)


@dataclass(frozen=True, slots=True)
class Halt:
    """No trading from *first* to *last*, both included; *last* None: it has not ended."""

    symbol: str
    first: date
    last: date | None
    reason: str
    source: str


def derive_halts(
    connection: Connection, venue: Venue, *, start: date, end: date, at: datetime
) -> list[tuple[date, date]]:
    """Make the halts before actions from *start* to *end* (ex-dates) what the bars now say.

    From the day after the last price to the day before the ex-date, where the market traded in between; what was
    derived from fewer bars, or from an action since withdrawn, goes. Returns the days, first and last, of halts that
    came or went.
    """
    kinds = [kind.value for kind in WITH_A_HALT]
    period = {"venue": venue.value, "start": start, "end": end}
    given = {**period, "kinds": kinds, "longest": LONGEST, "source": DERIVED, "at": at}
    changed = [*connection.execute(_FORGET, given), *connection.execute(_KEEP, given)]
    return sorted((row.first, row.last) for row in changed)


def list_halts(
    connection: Connection, *, symbol: str | None = None, start: date | None = None, end: date | None = None
) -> list[Halt]:
    """Halts that touch the days from *start* to *end* (None: open), the newest first."""
    columns: list[Any] = [halts.c[name] for name in ("first", "last", "reason", "source")]
    query = select(securities.c.symbol, *columns).join(securities, securities.c.id == halts.c.security_id)
    if symbol is not None:
        query = query.where(securities.c.symbol == symbol)
    if start is not None:
        query = query.where(halts.c.last.is_(None) | (halts.c.last >= start))
    if end is not None:
        query = query.where(halts.c.first <= end)
    order = (halts.c.first.desc(), securities.c.symbol)
    return [Halt(*row) for row in connection.execute(query.order_by(*order))]
