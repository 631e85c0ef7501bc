"""The bars as they stood at an earlier instant: what is held now, with every change since taken back.

A row's ``recorded_at`` is that of its newest state. Each change wrote a revision a cell, with the value before and
since when that had stood, so that the state at any instant can be told; a row whose first state is younger was not
there yet.
"""

from __future__ import annotations

from datetime import datetime

from psycopg import sql
from sqlalchemy import Connection, FromClause, func, select, text

from app.errors import InvalidParameter
from app.market.bar import BAR_FIELDS
from app.store.tables import bars, revisions, securities

_NAMES = ("session", "security_id", *BAR_FIELDS)


def _statement() -> str:
    changed = [f"count(*) FILTER (WHERE field = '{name}') > 0 AS {name}_changed" for name in BAR_FIELDS]
    before = [f"max(old) FILTER (WHERE field = '{name}') AS {name}" for name in BAR_FIELDS]
    kept = [
        f"CASE WHEN since.{name}_changed THEN CAST(since.{name} AS {bars.c[name].type}) ELSE held.{name} END AS {name}"
        for name in BAR_FIELDS
    ]
    return f"""
    SELECT held.session, held.security_id, {", ".join(kept)}
    FROM bars held
    LEFT JOIN (
        SELECT security_id, session, min(held_since) AS held_since, {", ".join((*changed, *before))}
        FROM (
            SELECT DISTINCT ON (security_id, session, field) security_id, session, field, old, held_since
            FROM revisions WHERE seen_at > :as_of ORDER BY security_id, session, field, id
        ) AS first_since
        GROUP BY security_id, session
    ) AS since ON since.security_id = held.security_id AND since.session = held.session
    WHERE held.recorded_at <= :as_of OR since.held_since <= :as_of
    """


_STATEMENT = _statement()


def as_stood(as_of: datetime) -> FromClause:
    """What to select from in place of ``bars``; without ``recorded_at``."""
    return (
        text(_STATEMENT)
        .bindparams(as_of=_aware(as_of))
        .columns(*(bars.c[name] for name in _NAMES))
        .subquery("bars_as_stood")
    )


def as_stood_sql(as_of: datetime) -> sql.Composable:
    """The same for a statement of the driver's own."""
    head, *rest = _STATEMENT.split(":as_of")
    parts: list[sql.Composable] = [sql.SQL(head)]
    for part in rest:
        parts += [sql.Literal(_aware(as_of)), sql.SQL(part)]
    return sql.SQL("({}) AS bars").format(sql.Composed(parts))


def recorded_since(connection: Connection, symbol: str) -> datetime | None:
    """Since when anything is known of the bars of *symbol*: of no instant before it is there a bar. None: no bar is."""
    owner = select(securities.c.id).where(securities.c.symbol == symbol).scalar_subquery()
    states = (
        select(func.min(bars.c.recorded_at)).where(bars.c.security_id == owner),
        select(func.min(revisions.c.held_since)).where(revisions.c.security_id == owner),
    )
    return connection.scalar(select(func.least(*(state.scalar_subquery() for state in states))))


def _aware(as_of: datetime) -> datetime:
    if as_of.tzinfo is None:
        raise InvalidParameter("The instant as of which bars are read needs a time zone.")
    return as_of
