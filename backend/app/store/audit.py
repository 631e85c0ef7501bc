"""The audit: who changed what, from what to what. Written before the change, completed after it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, delete, func, insert, select, update

from app.store.in_order import descends, place, turn
from app.store.tables import audit

_NOW = func.clock_timestamp()
Order = Literal["at", "-at", "who", "-who", "action", "-action"]
"""By which column; with a minus from the last to the first."""
STARTS = ("run.start", "run.retry")
"""Actions after which a run is under way, whose id the row has."""


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One change; *outcome* is begun, done or failed, and *error* says why it failed."""

    id: int
    at: datetime
    who: str
    via: str
    action: str
    subject: str
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None
    outcome: str
    error: str | None


def begin(
    connection: Connection, *, who: str, via: str, action: str, subject: str, before: Mapping[str, Any] | None
) -> int:
    """Write down that somebody is about to change something; the row's id."""
    values = {"who": who, "via": via, "action": action, "subject": subject, "before": before}
    row = insert(audit).values(**values, at=_NOW, outcome="begun").returning(audit.c.id)
    row_id: int = connection.execute(row).scalar_one()
    return row_id


def complete(
    connection: Connection,
    row_id: int,
    *,
    subject: str,
    before: Mapping[str, Any] | None,
    after: Mapping[str, Any] | None,
    error: str | None,
) -> None:
    """It is done, or failed with *error*."""
    values = {"subject": subject, "before": before, "after": after, "error": error}
    outcome = "done" if error is None else "failed"
    connection.execute(update(audit).where(audit.c.id == row_id).values(**values, outcome=outcome))


def starter_of(connection: Connection, run_id: str) -> str | None:
    """Who asked for that run first; None: nobody did, it was due or begun by a program of ours."""
    asked = select(audit.c.who).where(audit.c.action.in_(STARTS), audit.c.after["run"].astext == run_id)
    return connection.scalar(asked.order_by(audit.c.id).limit(1))


def withdraw(connection: Connection, row_id: int) -> None:
    """It was refused before anything was done, so there is nothing to tell."""
    connection.execute(delete(audit).where(audit.c.id == row_id))


def list_rows(
    connection: Connection,
    *,
    limit: int,
    before: int | None = None,
    who: str | None = None,
    action: str | None = None,
    order: Order = "-at",
) -> list[AuditRow]:
    """Of one person, and of actions that begin so; *before* is the id of the last row of the page before."""
    down, name = descends(order), order.removeprefix("-")
    by = [(audit.c.id, down)] if name == "at" else [(audit.c[name], down), (audit.c.id, down)]
    last = None
    if before is not None:  # old rows are removed: by the instant it goes on from an id that is gone, too
        last = (before,) if name == "at" else place(connection, by, audit.c.id == before)
    statement = turn(select(audit), by, after=last, limit=limit)
    if who is not None:
        statement = statement.where(audit.c.who == who)
    if action is not None:
        statement = statement.where(audit.c.action.startswith(action, autoescape=True))
    return [AuditRow(**row._mapping) for row in connection.execute(statement)]  # noqa: SLF001
