"""Runs: one row an execution of a task, from the wish to its end. Each function is one statement, safe to repeat."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, case, func, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert

from app.errors import InvalidParameter
from app.store.counts import Counts, split_counts
from app.store.tables import FINAL_STATES, runs


@dataclass(frozen=True, slots=True)
class Run:
    """A row of the ledger. ``id`` is Celery's task id; instants are aware, in UTC."""

    id: str
    task: str
    parameters: Mapping[str, Any]
    trigger: str
    state: str
    reason: str | None
    queued_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    worker: str | None
    attempts: int
    counts: Counts
    progress: Mapping[str, Any] | None
    error_type: str | None
    error: str | None
    traceback: str | None
    schedule: str | None
    due_at: datetime | None

    @property
    def is_final(self) -> bool:
        """Whether it has ended; it will not run again under this id."""
        return self.state in FINAL_STATES


@dataclass(frozen=True, slots=True)
class TaskStats:
    """A task's runs since some instant; ``seconds`` are the mean of those that succeeded, None without one."""

    task: str
    total: int
    by_state: Mapping[str, int]
    seconds: float | None
    last_queued_at: datetime
    last_success_at: datetime | None


def queue(
    connection: Connection,
    run_id: str,
    *,
    task: str,
    parameters: Mapping[str, Any],
    trigger: str,
    at: datetime,
    schedule: str | None = None,
    due_at: datetime | None = None,
) -> bool:
    """Record a wish to run, before its message is sent. False: that id, or that tick of that schedule, is taken."""
    statement = (
        insert(runs)
        .values(
            id=run_id,
            task=task,
            parameters=dict(parameters),
            trigger=trigger,
            state="QUEUED",
            queued_at=at,
            schedule=schedule,
            due_at=due_at,
        )
        .on_conflict_do_nothing()
        .returning(runs.c.id)
    )
    return connection.scalar(statement) is not None


def start(
    connection: Connection,
    run_id: str,
    *,
    task: str,
    parameters: Mapping[str, Any],
    trigger: str,
    worker: str | None,
    at: datetime,
) -> Run:
    """Begin an attempt, queued by us or not, and return the run.

    Of a run that has ended nothing is changed: a message delivered again finds ``is_final`` and does no work.
    """
    connection.execute(
        insert(runs)
        .values(
            id=run_id,
            task=task,
            parameters=dict(parameters),
            trigger=trigger,
            state="STARTED",
            queued_at=at,
            started_at=at,
            worker=worker,
            attempts=1,
        )
        .on_conflict_do_update(
            index_elements=["id"],
            set_={
                "state": "STARTED",
                "started_at": func.coalesce(runs.c.started_at, at),
                "worker": worker,
                "attempts": runs.c.attempts + 1,
                "reason": None,
            },
            where=runs.c.state.not_in(FINAL_STATES),
        )
    )
    run = get(connection, run_id)
    assert run is not None  # noqa: S101 - it was just written in this transaction
    return run


def progress(connection: Connection, run_id: str, now: Mapping[str, Any]) -> bool:
    """Show how far a run is. False: it is not under way."""
    return _change(connection, run_id, runs.c.state == "STARTED", progress=dict(now))


def retry(connection: Connection, run_id: str, *, reason: str, error_type: str | None = None) -> bool:
    """Record that this attempt failed and another will follow. False: the run has ended already."""
    return _change(
        connection, run_id, runs.c.state.not_in(FINAL_STATES), state="RETRY", reason=reason, error_type=error_type
    )


def finish(
    connection: Connection,
    run_id: str,
    *,
    state: str,
    at: datetime,
    reason: str | None = None,
    counts: Counts | None = None,
    error_type: str | None = None,
    error: str | None = None,
    traceback: str | None = None,
) -> bool:
    """End a run, once. False: it has ended already, and stays as it is."""
    if state not in FINAL_STATES:
        raise InvalidParameter(f"A run ends as {', '.join(FINAL_STATES)}, not as {state!r}.")
    return _change(
        connection,
        run_id,
        runs.c.state.not_in(FINAL_STATES),
        state=state,
        finished_at=at,
        reason=reason,
        error_type=error_type,
        error=error,
        traceback=traceback,
        **(counts or Counts()).as_dict(),
    )


def get(connection: Connection, run_id: str) -> Run | None:
    """The run with that id, or None."""
    row = connection.execute(select(runs).where(runs.c.id == run_id)).one_or_none()
    return None if row is None else _run(row)


def list_runs(
    connection: Connection,
    *,
    task: str | None = None,
    state: str | None = None,
    trigger: str | None = None,
    since: datetime | None = None,
    before: str | None = None,
    limit: int = 50,
) -> list[Run]:
    """Runs, newest wish first; *before* is the id of the last one of the page before (keyset paging)."""
    query = select(runs).where(*_filters(task=task, state=state, trigger=trigger, since=since))
    if before is not None:
        last = select(runs.c.queued_at, runs.c.id).where(runs.c.id == before)
        query = query.where(tuple_(runs.c.queued_at, runs.c.id) < last.scalar_subquery())
    query = query.order_by(runs.c.queued_at.desc(), runs.c.id.desc()).limit(limit)
    return [_run(row) for row in connection.execute(query)]


def count_runs(
    connection: Connection,
    *,
    task: str | None = None,
    state: str | None = None,
    trigger: str | None = None,
    since: datetime | None = None,
) -> int:
    """How many runs the same filters of ``list_runs`` select."""
    filters = _filters(task=task, state=state, trigger=trigger, since=since)
    return connection.scalar(select(func.count()).select_from(runs).where(*filters)) or 0


def stats(connection: Connection, *, since: datetime) -> list[TaskStats]:
    """What each task did since then, in order of name."""
    succeeded = runs.c.state == "SUCCESS"
    seconds = func.extract("epoch", runs.c.finished_at - runs.c.started_at)
    per_state = (
        select(
            runs.c.task,
            runs.c.state,
            func.count().label("number"),
            func.avg(case((succeeded, seconds))).label("seconds"),
            func.max(runs.c.queued_at).label("queued"),
            func.max(case((succeeded, runs.c.finished_at))).label("succeeded"),
        )
        .where(runs.c.queued_at >= since)
        .group_by(runs.c.task, runs.c.state)
        .order_by(runs.c.task)
    )
    groups: dict[str, list[Row[Any]]] = {}
    for row in connection.execute(per_state):
        groups.setdefault(row.task, []).append(row)
    return [
        TaskStats(
            task=task,
            total=sum(row.number for row in rows),
            by_state={row.state: row.number for row in rows},
            seconds=next((float(row.seconds) for row in rows if row.seconds is not None), None),
            last_queued_at=max(row.queued for row in rows),
            last_success_at=next((row.succeeded for row in rows if row.succeeded is not None), None),
        )
        for task, rows in groups.items()
    ]


def _filters(
    *, task: str | None, state: str | None, trigger: str | None, since: datetime | None
) -> list[ColumnElement[bool]]:
    wanted = {runs.c.task: task, runs.c.state: state, runs.c.trigger: trigger}
    filters: list[ColumnElement[bool]] = [column == value for column, value in wanted.items() if value is not None]
    return filters if since is None else [*filters, runs.c.queued_at >= since]


def _change(connection: Connection, run_id: str, condition: ColumnElement[bool], **values: Any) -> bool:
    statement = update(runs).where(runs.c.id == run_id, condition).values(**values).returning(runs.c.id)
    return connection.scalar(statement) is not None


def _run(row: Row[Any]) -> Run:
    return Run(**split_counts(dict(row._mapping)))  # noqa: SLF001 - SQLAlchemy's public name for it
