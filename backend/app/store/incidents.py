"""Incidents: what a rule found wrong, from the first look that saw it to the end. Instants are PostgreSQL's."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, func, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert

from app.store.tables import incidents

OLD_NEWS = timedelta(days=1)
"""What is over for so long is not told any more: the channels were away, or there were none."""

_NOW = func.clock_timestamp()
_TELLING = 0x51_4C_07


@dataclass(frozen=True, slots=True)
class Incident:
    """Something wrong with *subject*, as *rule* last put it; open until ``closed_at``."""

    id: int
    rule: str
    subject: str
    sentence: str
    opened_at: datetime
    seen_at: datetime
    closed_at: datetime | None
    told_at: datetime | None
    recovery_told_at: datetime | None


def clock(connection: Connection) -> datetime:
    """PostgreSQL's present instant, by which incidents open and close."""
    at: datetime = connection.execute(select(_NOW)).scalar_one()
    return at


def see(connection: Connection, rule: str, subject: str, sentence: str) -> bool:
    """Open an incident, or see the open one of that rule and subject again. True: it is new."""
    values = {"sentence": sentence, "seen_at": _NOW}
    statement = (
        insert(incidents)
        .values(rule=rule, subject=subject, opened_at=_NOW, **values)
        .on_conflict_do_update(
            index_elements=["rule", "subject"], index_where=incidents.c.closed_at.is_(None), set_=values
        )
        # A row that this statement inserted has no older version.
        .returning(text("xmax = 0"))
    )
    return bool(connection.execute(statement).scalar_one())


def close(connection: Connection, incident_id: int, *, unseen_since: datetime) -> bool:
    """End an incident that nobody has seen since that instant. False: somebody has, or it has ended already."""
    closed = (
        update(incidents)
        .where(incidents.c.id == incident_id, incidents.c.closed_at.is_(None), incidents.c.seen_at < unseen_since)
        .values(closed_at=_NOW)
        .returning(incidents.c.id)
    )
    return connection.scalar(closed) is not None


def list_open(connection: Connection) -> list[Incident]:
    """What is wrong now, the oldest first."""
    rows = connection.execute(
        select(incidents).where(incidents.c.closed_at.is_(None)).order_by(incidents.c.opened_at, incidents.c.id)
    )
    return [Incident(**row._mapping) for row in rows]  # noqa: SLF001 - SQLAlchemy's public name for it


def list_recent(connection: Connection, *, limit: int = 50) -> list[Incident]:
    """Open or over, the newest first."""
    rows = connection.execute(
        select(incidents).order_by(incidents.c.opened_at.desc(), incidents.c.id.desc()).limit(limit)
    )
    return [Incident(**row._mapping) for row in rows]  # noqa: SLF001


def claim_telling(connection: Connection) -> bool:
    """Be the one who tells, until this transaction ends, however it ends. False: somebody else is at it.

    Channels may take longer than a transaction else may stand still; this one locks nothing that others wait for.
    """
    connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
    return bool(connection.scalar(select(func.pg_try_advisory_xact_lock(_TELLING))))


def to_tell(connection: Connection) -> list[Incident]:
    """What channels have not been told of: open ones, and those that are over, the oldest first."""
    untold = or_(
        incidents.c.closed_at.is_(None) & incidents.c.told_at.is_(None),
        incidents.c.recovery_told_at.is_(None) & (incidents.c.closed_at > _NOW - OLD_NEWS),
    )
    rows = connection.execute(select(incidents).where(untold).order_by(incidents.c.opened_at, incidents.c.id))
    return [Incident(**row._mapping) for row in rows]  # noqa: SLF001


def told(connection: Connection, *, breaches: Collection[int], recoveries: Collection[int]) -> None:
    """Channels know of these by now: of their begin, or of their end."""
    for ids, column in ((breaches, "told_at"), (recoveries, "recovery_told_at")):
        if ids:
            connection.execute(update(incidents).where(incidents.c.id.in_(ids)).values({column: _NOW}))
