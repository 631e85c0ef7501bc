"""Runs: one row an execution of a task. How it comes to be, and how it is read; ``leases`` has its life and end."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, Unpack

from sqlalchemy import (
    Connection,
    Row,
    Text,
    bindparam,
    case,
    cast,
    func,
    null,
    select,
    text,
    true,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, insert

from app.errors import InvalidParameter, UnknownRun
from app.store.counts import Counts, split_counts
from app.store.engine import Statements
from app.store.in_order import place, turn
from app.store.run_filters import RunFilters, clauses
from app.store.tables import FINAL_STATES, UNFINISHED, WAITING_STATES, runs

Order = Literal["newest", "oldest", "longest", "shortest"]

_WORTH_A_WORD = timedelta(minutes=1)
SHORTEST = 4
"""Characters of an id by which a run may be asked for."""
LONGEST_ID = 255
"""Likewise at most: those of a few thousand no index takes."""
LATELY = 20
"""So many of the newest runs of a task tell how it fares: the console draws them, and none of them is pruned."""
# In plain words, as in ``leases``: each start waits for it.
_QUEUE = f"""
INSERT INTO runs (id, task, parameters, trigger, state, queued_at, queue, priority, run_after, expires_at, forced,
    retry_of, sent_at)
SELECT %(id)s, %(task)s, given, %(trigger)s, 'QUEUED', %(at)s, %(queue)s, %(priority)s::int,
    %(run_after)s::timestamptz, %(expires_at)s::timestamptz, %(forced)s, %(retry_of)s,
    CASE WHEN %(sent)s THEN clock_timestamp() END
FROM (SELECT %(parameters)s::jsonb AS given) AS wish
WHERE %(forced)s OR NOT EXISTS (
    SELECT FROM runs WHERE task = %(task)s AND md5(parameters::text) = md5(given::text) AND {UNFINISHED})
ON CONFLICT DO NOTHING
RETURNING id
"""
_TOOK = func.coalesce(runs.c.finished_at - runs.c.started_at, timedelta(seconds=-1))


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
    queue: str | None
    priority: int | None
    retries: int
    run_after: datetime | None
    expires_at: datetime | None
    sent_at: datetime | None
    lease_until: datetime | None
    losses: int
    repeatable: bool
    forced: bool
    cancel_by: str | None
    paused_by: str | None
    retry_of: str | None

    @property
    def is_final(self) -> bool:
        """Whether it has ended; it will not run again under this id."""
        return self.state in FINAL_STATES

    @property
    def late(self) -> timedelta | None:
        """How long after its due time it was claimed, when that is worth a word (above a minute); else None."""
        behind = timedelta() if self.due_at is None else self.queued_at - self.due_at
        return behind if behind > _WORTH_A_WORD else None


@dataclass(frozen=True, slots=True)
class TaskStats:
    """A task's runs since some instant; ``seconds`` are the mean of those that succeeded, None without one."""

    task: str
    total: int
    by_state: Mapping[str, int]
    seconds: float | None
    last_queued_at: datetime
    last_success_at: datetime | None


def check_id(run_id: str) -> None:
    """Raise InvalidParameter for an id that no row can have."""
    if not 0 < len(run_id) <= LONGEST_ID or "\0" in run_id:
        raise InvalidParameter(
            f"The id of a run has 1 to {LONGEST_ID} characters and no NUL; this one is {run_id[:40]!r}."
        )


def queue_new(
    connection: Statements,
    run_id: str,
    *,
    task: str,
    parameters: Mapping[str, Any],
    trigger: str,
    at: datetime,
    queue: str | None = None,
    priority: int | None = None,
    run_after: datetime | None = None,
    expires_at: datetime | None = None,
    forced: bool = False,
    sent: bool = True,
    retry_of: str | None = None,
) -> bool:
    """As ``queue``, in one statement, unless something stands in the way; False: ``queue`` knows what to do then."""
    given = {
        "id": run_id,
        "task": task,
        "parameters": json.dumps(dict(parameters)),
        "trigger": trigger,
        "at": at,
        "queue": queue,
        "priority": priority,
        "run_after": run_after,
        "expires_at": expires_at,
        "forced": forced,
        "sent": sent,
        "retry_of": retry_of,
    }
    return connection.exec_driver_sql(_QUEUE, given).fetchone() is not None


def queue(
    connection: Connection,
    run_id: str,
    *,
    task: str,
    parameters: Mapping[str, Any],
    trigger: str,
    at: datetime,
    queue: str | None = None,
    priority: int | None = None,
    run_after: datetime | None = None,
    expires_at: datetime | None = None,
    forced: bool = False,
    sent: bool = True,
    retry_of: str | None = None,
) -> str:
    """Record a wish to run, before its message is sent, and return the id of the run that fulfils it.

    That is another run's when one with the same parameters is under way, unless *forced*; where that one waits for
    a later time, or behind others, it comes forward to the new wish's. With *sent* the caller sends the message as
    soon as this is committed; else the outbox does.
    """
    wish: dict[str, Any] = {
        "task": task,
        "parameters": parameters,
        "trigger": trigger,
        "at": at,
        "queue": queue,
        "priority": priority,
        "run_after": run_after,
        "expires_at": expires_at,
        "sent": sent,
        "retry_of": retry_of,
    }
    if queue_new(connection, run_id, **wish, forced=forced):
        return run_id
    found = None if forced else _in_flight(connection, task, parameters)
    if found is None:
        if connection.scalar(select(runs.c.id).where(runs.c.id == run_id)) is None:
            # What stood in the way has ended meanwhile. Forced, so that nothing stands in it again.
            queue_new(connection, run_id, **wish, forced=True)
        return run_id
    if found != run_id:
        _bring_forward(connection, found, run_after=run_after, priority=priority, expires_at=expires_at)
    return found


def claim(
    connection: Connection,
    run_id: str,
    *,
    task: str,
    parameters: Mapping[str, Any],
    schedule: str,
    due_at: datetime,
    at: datetime,
    queue: str | None = None,
    priority: int | None = None,
    expires_at: datetime | None = None,
    state: Literal["QUEUED", "SKIPPED"] = "QUEUED",
    reason: str | None = None,
) -> bool:
    """Make the tick of *schedule* due at *due_at* a run, which the outbox sends. False: somebody else has done so."""
    statement = (
        insert(runs)
        .values(
            id=run_id,
            task=task,
            parameters=dict(parameters),
            trigger="schedule",
            state=state,
            reason=reason,
            queued_at=at,
            finished_at=at if state == "SKIPPED" else None,
            schedule=schedule,
            due_at=due_at,
            queue=queue,
            priority=priority,
            expires_at=expires_at,
        )
        .on_conflict_do_nothing()
        .returning(runs.c.id)
    )
    return connection.scalar(statement) is not None


def _bring_forward(
    connection: Connection,
    run_id: str,
    *,
    run_after: datetime | None,
    priority: int | None,
    expires_at: datetime | None,
) -> None:
    """Let a run that waits fulfil a further wish too: as early, as urgently and as late as either may.

    Its message is sent again where it must begin sooner; the one that lies behind others comes to nothing. One that is
    paused goes on: somebody asks for it.
    """
    wished_at = func.coalesce(cast(run_after, runs.c.run_after.type), func.clock_timestamp())
    sooner = runs.c.run_after > func.greatest(wished_at, func.clock_timestamp())
    raised = func.coalesce(runs.c.priority, 0) < (priority or 0)
    held = runs.c.expires_at
    connection.execute(
        update(runs)
        .where(runs.c.id == run_id, runs.c.state.in_(WAITING_STATES))
        .where(sooner | raised | held.is_not(None) | runs.c.paused_by.is_not(None))
        .values(
            paused_by=None,
            run_after=case((sooner, run_after), else_=runs.c.run_after),
            priority=case((raised, priority), else_=runs.c.priority),
            sent_at=case((sooner | raised, null()), else_=runs.c.sent_at),
            expires_at=None if expires_at is None else case((held.is_not(None), func.greatest(held, expires_at))),
        )
    )


def _in_flight(connection: Connection, task: str, parameters: Mapping[str, Any]) -> str | None:
    """The id of a run of *task* with those parameters that has not ended."""
    same = func.md5(cast(runs.c.parameters, Text)) == func.md5(cast(cast(dict(parameters), JSONB), Text))
    return connection.scalar(
        select(runs.c.id).where(runs.c.task == task, same, text(UNFINISHED)).order_by(runs.c.queued_at).limit(1)
    )


def get(connection: Connection, run_id: str) -> Run:
    """The run with that id. Raises UnknownRun."""
    row = connection.execute(select(runs).where(runs.c.id == run_id)).one_or_none()
    if row is None:
        raise UnknownRun(f"The ledger has no run {run_id!r}.")
    return from_row(row)


def find(connection: Connection, beginning: str) -> Run:
    """The run with that id, or the only one whose id begins so, as lists show it. Raises UnknownRun."""
    if len(beginning) < SHORTEST:
        return get(connection, beginning)
    near = select(runs).where(runs.c.id.startswith(beginning, autoescape=True))
    # The whole id first, whatever else begins so.
    rows = connection.execute(near.order_by(runs.c.id != beginning).limit(2)).all()
    if len(rows) == 2 and rows[0].id != beginning:
        raise UnknownRun(f"Several runs begin with {beginning!r}: give more of the id.")
    return from_row(rows[0]) if rows else get(connection, beginning)


def retries_of(connection: Connection, run_id: str) -> list[str]:
    """The ids of the runs that did over what did not succeed in that one, the first one first."""
    query = select(runs.c.id).where(runs.c.retry_of == run_id).order_by(runs.c.queued_at, runs.c.id)
    return list(connection.scalars(query))


def list_unfinished(connection: Connection, task: str) -> list[Run]:
    """The runs of *task* that work or wait, the oldest wish first."""
    query = select(runs).where(runs.c.task == task, text(UNFINISHED))
    return [from_row(row) for row in connection.execute(query.order_by(runs.c.queued_at, runs.c.id))]


def unfinished_before(connection: Connection, run_id: str) -> Run | None:
    """The oldest run of the same task, whatever its parameters, that was wished for before *run_id* and has not ended.

    Where one of several may work at a time: all but the oldest find one, in whatever order they begin.
    """
    own = select(runs.c.task, runs.c.queued_at, runs.c.id).where(runs.c.id == run_id).subquery()
    row = connection.execute(
        select(runs)
        .join(own, (runs.c.task == own.c.task))
        .where(tuple_(runs.c.queued_at, runs.c.id) < tuple_(own.c.queued_at, own.c.id))
        .where(runs.c.state.not_in(FINAL_STATES))
        .order_by(runs.c.queued_at, runs.c.id)
        .limit(1)
    ).one_or_none()
    return None if row is None else from_row(row)


def list_runs(
    connection: Connection,
    *,
    order: Order = "newest",
    before: str | None = None,
    limit: int = 50,
    **wanted: Unpack[RunFilters],
) -> list[Run]:
    """Runs, newest wish first unless *order* says otherwise; those that have not ended took the least time.

    *before* is the id of the last run of the page before, in the same order (keyset paging).
    """
    key = _TOOK if order in ("longest", "shortest") else runs.c.queued_at
    by = [(key, down := order in ("newest", "longest")), (runs.c.id, down)]
    query = select(runs).where(*clauses(wanted))
    last = None
    if before is not None:
        last = place(connection, by, runs.c.id == before)
    return [from_row(row) for row in connection.execute(turn(query, by, after=last, limit=limit))]


def count_runs(connection: Connection, **wanted: Unpack[RunFilters]) -> int:
    """How many runs the same filters of ``list_runs`` select."""
    return connection.scalar(select(func.count()).select_from(runs).where(*clauses(wanted))) or 0


def newest_by_task(connection: Connection, tasks: Sequence[str], *, each: int) -> dict[str, list[Run]]:
    """The *each* newest runs of every one of *tasks*, newest wish first."""
    names = func.unnest(bindparam("tasks", list(tasks), ARRAY(Text))).table_valued("name")
    newest = (
        select(runs)
        .where(runs.c.task == names.c.name)
        .order_by(runs.c.queued_at.desc(), runs.c.id.desc())
        .limit(each)
        .lateral()
    )
    found: dict[str, list[Run]] = {task: [] for task in tasks}
    for row in connection.execute(select(newest).select_from(names.join(newest, true()))):
        found[row.task].append(from_row(row))
    return found


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


def from_row(row: Row[Any]) -> Run:
    """The run of a whole row of the table."""
    return Run(**split_counts(dict(row._mapping)))  # noqa: SLF001 - SQLAlchemy's public name for it
