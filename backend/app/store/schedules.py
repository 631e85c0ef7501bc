"""Schedules: up to when each one's ticks are claimed, and what an operator said against its default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, func, select, text, update
from sqlalchemy.dialects.postgresql import insert

from app.store.tables import MISFIRES, runs, schedules

__all__ = [
    "MISFIRES",
    "OVERRIDABLE",
    "ScheduleRow",
    "advance",
    "count_from",
    "instant",
    "lock",
    "override",
    "read_all",
    "supersede",
]

OVERRIDABLE = ("enabled", "timing", "parameters", "misfire", "late_limit")

_LIMITS = text(
    "SELECT set_config('idle_in_transaction_session_timeout', :idle, true), set_config('lock_timeout', '5s', true),"
    " set_config('statement_timeout', '15s', true)"
)


@dataclass(frozen=True, slots=True)
class ScheduleRow:
    """What is held of a schedule; None in one of OVERRIDABLE means that the default holds."""

    name: str
    claimed_until: datetime
    enabled: bool | None = None
    timing: str | None = None
    parameters: Mapping[str, Any] | None = None
    misfire: str | None = None
    late_limit: int | None = None
    changed_by: str | None = None
    changed_at: datetime | None = None

    @property
    def overrides(self) -> dict[str, Any]:
        """What an operator said."""
        said = {name: getattr(self, name) for name in OVERRIDABLE}
        return {name: value for name, value in said.items() if value is not None}


def instant(connection: Connection) -> datetime:
    """The present by PostgreSQL's clock: the one clock that schedulers on different machines share."""
    at: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
    return at


def read_all(connection: Connection) -> dict[str, ScheduleRow]:
    """Name → row, of every schedule that was ever ticked or changed."""
    return {row.name: _row(row) for row in connection.execute(select(schedules))}


def lock(
    connection: Connection, name: str, *, at: datetime, wait: bool = False, idle_limit: str = "10s"
) -> ScheduleRow | None:
    """Hold the schedule's row until the transaction ends; one that is new begins at the instant *at*.

    None: another scheduler holds it, and *wait* is false. A holder that stops in the middle (a frozen process, a
    machine cut off) loses the row after *idle_limit*, together with all that it had not committed.
    """
    connection.execute(_LIMITS, {"idle": idle_limit})
    named = schedules.c.name == name
    held = select(schedules).where(named).with_for_update(skip_locked=not wait)
    row = connection.execute(held).one_or_none()
    # An insert would wait for whoever holds the row, so it is for a row that is not there.
    if row is None and connection.scalar(select(schedules.c.name).where(named)) is None:
        connection.execute(insert(schedules).values(name=name, claimed_until=at).on_conflict_do_nothing())
        row = connection.execute(held).one_or_none()
    return None if row is None else _row(row)


def advance(connection: Connection, name: str, until: datetime) -> None:
    """All ticks up to *until* are claimed; never backwards, whatever a clock says."""
    later = func.greatest(schedules.c.claimed_until, until)
    connection.execute(update(schedules).where(schedules.c.name == name).values(claimed_until=later))


def count_from(connection: Connection, name: str, at: datetime) -> None:
    """Look at ticks from *at* on again: after a clock that was ahead. One that has its run keeps that and no other."""
    connection.execute(update(schedules).where(schedules.c.name == name).values(claimed_until=at))


def override(connection: Connection, name: str, said: Mapping[str, Any], *, by: str, at: datetime) -> None:
    """Keep an operator's word; None in *said* gives that part back to the default. The row must exist (``lock``)."""
    connection.execute(update(schedules).where(schedules.c.name == name).values(**said, changed_by=by, changed_at=at))


def supersede(connection: Connection, name: str, *, before: datetime, reason: str, at: datetime) -> int:
    """End as SKIPPED the schedule's ticks due earlier than *before* that wait and never began; returns how many."""
    gone = connection.scalars(
        update(runs)
        .where(runs.c.schedule == name, runs.c.due_at < before, runs.c.state == "QUEUED", runs.c.attempts == 0)
        .values(state="SKIPPED", reason=reason, finished_at=at)
        .returning(runs.c.id)
    )
    return len(gone.all())


def _row(row: Row[Any]) -> ScheduleRow:
    return ScheduleRow(**row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for it
