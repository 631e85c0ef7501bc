"""Messages that still have to be handed to the broker: those of waiting runs whose ``sent_at`` is NULL."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Connection, func, or_, select, update

from app.market.sayings import say
from app.store.runs import Run, from_row
from app.store.tables import FINAL_STATES, WAITING_STATES, runs

_LOCK = 0x51_4C_0A
_NOW = func.clock_timestamp()
_WAITS = runs.c.state.in_(WAITING_STATES)


def take(connection: Connection, *, caps: Mapping[str, int], limit: int = 200) -> list[Run]:
    """Mark what is due as sent and return it, the highest priority first; the caller sends it after the commit.

    Of a queue in *caps* no more are on their way or under way at once than its number: slots for the other queues.
    """
    taken = _take(connection, [or_(runs.c.queue.is_(None), runs.c.queue.not_in(caps))], limit)
    for queue, cap in caps.items():
        # One at a time counts and takes, until its commit: two would each find the same slot free.
        connection.execute(select(func.pg_advisory_xact_lock(_LOCK, func.hashtext(queue))))
        at_work = select(func.count()).where(
            runs.c.queue == queue, or_(runs.c.state == "STARTED", _WAITS & runs.c.sent_at.is_not(None))
        )
        room = cap - (connection.scalar(at_work) or 0)
        if room > 0:
            taken += _take(connection, [runs.c.queue == queue], room)
    return taken


def put_back(connection: Connection, run_id: str) -> None:
    """Its message could not be sent."""
    connection.execute(update(runs).where(runs.c.id == run_id, _WAITS).values(sent_at=None))


class Sent(NamedTuple):
    """A run that waits for its message to be taken: what tells where that message lies."""

    id: str
    task: str
    queue: str | None


def sent_before(connection: Connection, *, ago: timedelta, limit: int = 5_000) -> list[Sent]:
    """Runs that wait although their message was sent that long ago."""
    # No more than that of each: where many wait, this is read every few seconds beside the work.
    rows = connection.execute(
        select(runs.c.id, runs.c.task, runs.c.queue)
        .where(_WAITS, runs.c.sent_at < _NOW - ago)
        .order_by(runs.c.sent_at)
        .limit(limit)
    )
    return [Sent(*row) for row in rows]


def send_again(connection: Connection, run_ids: Collection[str], *, ago: timedelta) -> list[str]:
    """Let the outbox send those again that still wait and that nobody sent again meanwhile; returns which."""
    rows = connection.scalars(
        update(runs)
        .where(runs.c.id.in_(run_ids), _WAITS, runs.c.sent_at < _NOW - ago)
        .values(sent_at=None)
        .returning(runs.c.id)
    )
    return list(rows)


def end_expired(connection: Connection, *, at: datetime) -> list[str]:
    """End runs that did not begin by their time as SKIPPED; returns their ids."""
    rows = connection.scalars(
        update(runs)
        .where(_WAITS, runs.c.attempts == 0, runs.c.expires_at < _NOW)
        .values(state="SKIPPED", finished_at=at, reason=TOO_LATE)
        .returning(runs.c.id)
    )
    return list(rows)


TOO_LATE = say("not_begun")


def fresher_waits(
    connection: Connection, *, above: int, for_longer_than: timedelta, queues: Collection[str] = ()
) -> bool:
    """Whether a run of a priority *above* that waits for a worker since some time, in one of *queues* (none: any)."""
    waiting = select(runs.c.id).where(_WAITS, runs.c.priority > above, runs.c.sent_at < _NOW - for_longer_than)
    if queues:
        waiting = waiting.where(runs.c.queue.in_(queues))
    return connection.scalar(waiting.limit(1)) is not None


def neglected(connection: Connection, *, for_longer_than: timedelta) -> tuple[int, int]:
    """Messages that should have been sent, and dead runs that should have been revived, for longer than that."""
    before = _NOW - for_longer_than
    unsent = _WAITS & runs.c.sent_at.is_(None) & (func.coalesce(runs.c.run_after, runs.c.queued_at) < before)
    free = runs.c.queue.is_distinct_from("backfill")  # what is capped waits for its slot
    dead = (runs.c.state == "STARTED") & (runs.c.lease_until < before)
    counted = select(func.count().filter(unsent & free), func.count().filter(dead))
    row = connection.execute(counted.where(runs.c.state.not_in(FINAL_STATES))).one()
    return row[0], row[1]


def _take(connection: Connection, condition: list[object], limit: int) -> list[Run]:
    due = (
        select(runs.c.id)
        .where(
            _WAITS,
            runs.c.sent_at.is_(None),
            runs.c.paused_by.is_(None),
            or_(runs.c.run_after.is_(None), runs.c.run_after <= _NOW),
            *condition,  # type: ignore[arg-type]
        )
        .order_by(runs.c.priority.desc().nulls_last(), runs.c.queued_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    rows = connection.execute(
        update(runs).where(runs.c.id.in_(due.scalar_subquery())).values(sent_at=_NOW).returning(*runs.c)
    )
    taken = [from_row(row) for row in rows]
    return sorted(taken, key=lambda run: (-(run.priority or 0), run.queued_at))
