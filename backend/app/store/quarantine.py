"""Quarantine: rows that break a rule, with their raw cells and the reason; never dropped, never coerced."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Protocol

from sqlalchemy import Connection, func, select, text, update
from sqlalchemy.dialects.postgresql import insert

from app.market.security import Venue
from app.store.tables import quarantine


class Rejected(Protocol):
    """What a source hands over: a row, the rule that it breaks, and a sentence."""

    @property
    def rule(self) -> str:
        """The rule's id."""

    @property
    def reason(self) -> str:
        """A sentence."""

    @property
    def raw(self) -> Mapping[str, str]:
        """The cells as published, by field."""

    @property
    def symbol(self) -> str | None:
        """The security, where it could be read."""

    @property
    def session(self) -> date | None:
        """The session, where it could be read."""


@dataclass(frozen=True, slots=True)
class HeldRow:
    """A quarantined row; open until it is released."""

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
    decision: str | None
    decided_by: str | None
    note: str | None


def add(
    connection: Connection,
    rejected: Iterable[Rejected],
    *,
    venue: Venue,
    dataset: str,
    run_id: str | None,
    at: datetime,
) -> int:
    """Set *rejected* aside; returns how many rows those were. One that stands there already is only seen again."""
    rows = [
        {
            "venue": venue,
            "dataset": dataset,
            "session": row.session,
            "symbol": row.symbol,
            "rule": row.rule,
            "reason": row.reason,
            "raw": dict(row.raw),
            "run_id": run_id,
            "seen_at": at,
            "last_seen_at": at,
        }
        for row in rejected
    ]
    if rows:
        connection.execute(
            insert(quarantine).on_conflict_do_update(
                index_elements=_OPEN_KEY, index_where=quarantine.c.released_at.is_(None), set_={"last_seen_at": at}
            ),
            rows,
        )
    return len(rows)


_OPEN_KEY: list[Any] = [
    *(quarantine.c[name] for name in ("venue", "dataset", "session", "symbol", "rule")),
    text("md5(raw::text)"),
]


def list_open(
    connection: Connection, *, session: date | None = None, rule: str | None = None, limit: int = 100
) -> list[HeldRow]:
    """Rows that wait for a person, the newest first."""
    query = select(quarantine).where(quarantine.c.released_at.is_(None))
    if session is not None:
        query = query.where(quarantine.c.session == session)
    if rule is not None:
        query = query.where(quarantine.c.rule == rule)
    rows = connection.execute(query.order_by(quarantine.c.seen_at.desc(), quarantine.c.id.desc()).limit(limit))
    return [HeldRow(**{**row._mapping, "venue": Venue(row.venue)}) for row in rows]  # noqa: SLF001


def count_open(connection: Connection) -> int:
    """How many rows wait for a person."""
    return (
        connection.scalar(select(func.count()).select_from(quarantine).where(quarantine.c.released_at.is_(None))) or 0
    )


def release(connection: Connection, row_id: int, *, at: datetime) -> bool:
    """Close an open row; seen again, it is a new one. False: it is not open."""
    released = (
        update(quarantine)
        .where(quarantine.c.id == row_id, quarantine.c.released_at.is_(None))
        .values(released_at=at, decision="dismissed")
        .returning(quarantine.c.id)
    )
    return connection.scalar(released) is not None
