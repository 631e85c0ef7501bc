"""Who may work on a run, and how it ends. The holder is the attempt whose number stands in ``attempts``.

A lease lasts by PostgreSQL's clock, so that the clocks of workers do not matter. What a run writes goes through
``hold`` in the same transaction: it locks the row so that a reaper, who takes rows FOR UPDATE, cannot give the run
to somebody else until that transaction has ended, and the lost holder's transaction cannot begin any more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, func, or_, select, text, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError

from app.errors import InvalidParameter, storable
from app.store.counts import Counts
from app.store.engine import Statements
from app.store.runs import Run, from_row
from app.store.tables import FINAL_STATES, WAITING_STATES, runs

LEASE = timedelta(seconds=20)
"""A lease that nobody renewed for so long is over. Holders renew it four times as often."""

_LIMITS = text(
    "SELECT set_config('idle_in_transaction_session_timeout', '15s', true),"
    " set_config('statement_timeout', '60s', true)"
)
"""While a holder writes the reaper passes by; one that was frozen amid it must not keep the run for ever."""

_END_STUCK = text(
    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
    " WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()"
    " AND application_name = current_setting('application_name')"
    " AND state = 'active' AND wait_event = 'ClientRead' AND query_start < clock_timestamp() - CAST(:still AS interval)"
    " AND EXISTS (SELECT FROM runs WHERE state = 'STARTED' AND lease_until < clock_timestamp())"
)

_NOW = func.clock_timestamp()

# What every run needs is in plain words: to build such a statement anew took longer than PostgreSQL takes to do it.
_TAKE = f"""
UPDATE runs SET
    state = 'STARTED', started_at = coalesce(started_at, %(at)s), worker = %(worker)s, attempts = attempts + 1,
    lease_until = clock_timestamp() + interval '{LEASE.total_seconds()} s', run_after = NULL,
    repeatable = %(repeatable)s, reason = NULL, error_type = NULL
WHERE id = %(id)s AND state IN ({", ".join(repr(state) for state in WAITING_STATES)})
    AND paused_by IS NULL AND cancel_by IS NULL
    AND (run_after IS NULL OR run_after <= clock_timestamp())
    AND (expires_at IS NULL OR attempts > 0 OR expires_at >= clock_timestamp())
RETURNING attempts
"""

_FINISH = f"""
UPDATE runs SET
    state = %(state)s, finished_at = %(at)s, reason = %(reason)s, error_type = %(error_type)s, error = %(error)s,
    traceback = %(traceback)s, lease_until = NULL, {", ".join(f"{name} = %({name})s" for name in Counts.__slots__)}
WHERE id = %(id)s AND attempts = %(token)s AND state = 'STARTED'
RETURNING id
"""


@dataclass(frozen=True, slots=True)
class Attempt:
    """What came of beginning: the run, and the token of the lease, or None when it is not ours to do."""

    run: Run
    token: int | None


def take(connection: Statements, run_id: str, *, worker: str | None, at: datetime, repeatable: bool) -> int | None:
    """The lease of a run that is written down, waits and is due, in one statement; returns its token.

    None: something else is to be said of it, which ``start`` knows.
    """
    given = {"id": run_id, "worker": worker, "at": at, "repeatable": repeatable}
    row = connection.exec_driver_sql(_TAKE, given).fetchone()
    return None if row is None else int(row[0])


def start(
    connection: Connection,
    run_id: str,
    *,
    task: str,
    parameters: Mapping[str, Any],
    trigger: str,
    worker: str | None,
    at: datetime,
    repeatable: bool = True,
) -> Attempt:
    """Take a waiting run that is due, or one that the ledger has not seen, and its lease.

    A run that has ended, that somebody works on, that is paused, or whose retry is not due yet stays as it is: its
    message was delivered again.
    """
    taken = connection.execute(
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
            lease_until=_NOW + LEASE,
            sent_at=_NOW,
            repeatable=repeatable,
            forced=True,  # somebody sent it past us: it must not be refused for being asked for twice
        )
        .on_conflict_do_update(
            index_elements=["id"],
            set_={
                "state": "STARTED",
                "started_at": func.coalesce(runs.c.started_at, at),
                "worker": worker,
                "attempts": runs.c.attempts + 1,
                "lease_until": _NOW + LEASE,
                "run_after": None,
                "repeatable": repeatable,
                "reason": None,
                "error_type": None,
            },
            where=runs.c.state.in_(WAITING_STATES)
            & runs.c.paused_by.is_(None)
            & or_(runs.c.run_after.is_(None), runs.c.run_after <= _NOW),
        )
        .returning(*runs.c)
    ).one_or_none()
    if taken is not None:
        run = from_row(taken)
        if run.cancel_by is None or not _end_cancelled(connection, _held(run_id, run.attempts)):
            return Attempt(run, run.attempts)
    return Attempt(from_row(connection.execute(select(runs).where(runs.c.id == run_id)).one()), None)


def hold(connection: Connection, run_id: str, token: int) -> bool:
    """Whether the lease *token* still holds; if so it cannot be taken away until this transaction ends.

    A holder that stands still between two statements (frozen, cut off) loses the transaction after 15 s.
    """
    connection.execute(_LIMITS)
    held = select(runs.c.id).where(*_held(run_id, token)).with_for_update(read=True, key_share=True)
    return connection.scalar(held) is not None


def renew(connection: Connection, held: Mapping[str, int]) -> dict[str, str | None]:
    """Renew leases, run id → token; returns those that still hold: run id → who asked to cancel it, or None."""
    rows = connection.execute(
        update(runs)
        .where(tuple_(runs.c.id, runs.c.attempts).in_(list(held.items())), runs.c.state == "STARTED")
        .values(lease_until=_NOW + LEASE)
        .returning(runs.c.id, runs.c.cancel_by)
    )
    return {row.id: row.cancel_by for row in rows}


def progress(connection: Connection, run_id: str, token: int, now: Mapping[str, Any]) -> bool:
    """Show how far a run is. False: the lease is lost."""
    shown = {name: storable(value) if isinstance(value, str) else value for name, value in now.items()}
    return _change(connection, _held(run_id, token), progress=shown)


def retry(
    connection: Connection,
    run_id: str,
    token: int,
    *,
    after: timedelta,
    reason: str,
    error_type: str | None = None,
    retries: int = 0,
    parameters: Mapping[str, Any] | None = None,
) -> bool:
    """This attempt failed; another is due *after* that time, unless somebody cancelled it: then the run ends.

    False: the lease is lost.
    """
    failed = {"state": "RETRY", "reason": reason, "error_type": error_type, "retries": retries, **_to_be_sent(after)}
    if parameters is None:
        return _wait_again(connection, run_id, token, **failed)
    failed["parameters"] = dict(parameters)
    try:
        with connection.begin_nested():
            return _wait_again(connection, run_id, token, **failed)
    except IntegrityError:
        # Another run is under way with the parameters that this one changed to: both go on.
        return _wait_again(connection, run_id, token, **failed, forced=True)


def give_back(connection: Connection, run_id: str, token: int, *, reason: str) -> bool:
    """Let another attempt go on with it at once, or end it where somebody cancelled it. False: the lease is lost."""
    return _wait_again(connection, run_id, token, state="QUEUED", reason=reason, losses=0, **_to_be_sent(None))


def finish(
    connection: Connection,
    run_id: str,
    *,
    state: str,
    at: datetime,
    token: int | None = None,
    worker: str | None = None,
    reason: str | None = None,
    counts: Counts | None = None,
    error_type: str | None = None,
    error: str | None = None,
    traceback: str | None = None,
) -> bool:
    """End a run, once: as the holder of *token*, or of what *worker* holds, or of whatever has not ended.

    False: it has ended already or is somebody else's, and stays as it is.
    """
    said: dict[str, Any] = {"reason": reason, "error_type": error_type, "error": error, "traceback": traceback}
    if token is not None:
        return finish_held(connection, run_id, token, state=state, at=at, counts=counts, **said)
    _check_final(state)
    condition = [runs.c.id == run_id, runs.c.state.not_in(FINAL_STATES)]
    if worker is not None:
        condition = _held_by(run_id, worker)
    return _change(
        connection,
        condition,
        state=state,
        finished_at=at,
        lease_until=None,
        **said,
        **(counts or Counts()).as_dict(),
    )


def finish_held(
    connection: Statements,
    run_id: str,
    token: int,
    *,
    state: str,
    at: datetime,
    counts: Counts | None = None,
    reason: str | None = None,
    error_type: str | None = None,
    error: str | None = None,
    traceback: str | None = None,
) -> bool:
    """End a run as the holder of *token*, in one statement. False: the lease is lost."""
    _check_final(state)
    said = {"reason": reason, "error_type": error_type, "error": error, "traceback": traceback}
    given = {"id": run_id, "token": token, "state": state, "at": at, **_storable(said)}
    row = connection.exec_driver_sql(_FINISH, {**given, **(counts or Counts()).as_dict()}).fetchone()
    return row is not None


def end_waiting(connection: Connection, run_id: str, *, state: str, reason: str, at: datetime) -> bool:
    """End a run that has not begun, or waits for its retry. False: it does not wait."""
    waits = [runs.c.id == run_id, runs.c.state.in_(WAITING_STATES)]
    return _change(connection, waits, state=state, finished_at=at, reason=reason)


def end_late(connection: Connection, run_id: str, token: int, *, reason: str, at: datetime) -> bool:
    """End as SKIPPED what began after its time, by PostgreSQL's clock. False: it did not."""
    late = [*_held(run_id, token), runs.c.expires_at < _NOW]
    return _change(connection, late, state="SKIPPED", finished_at=at, lease_until=None, reason=reason)


def ask_to_cancel(connection: Connection, run_id: str, *, by: str) -> bool:
    """Let the holder know, at its next renewal. False: nobody works on it."""
    return _change(connection, [runs.c.id == run_id, runs.c.state == "STARTED"], cancel_by=by)


def drop(connection: Connection, run_id: str, *, worker: str) -> bool:
    """The process of *worker* that held the run is dead: its lease is over now."""
    return _change(connection, _held_by(run_id, worker), lease_until=_NOW)


def take_dead(connection: Connection, *, limit: int = 100) -> list[Run]:
    """Runs whose lease is over, locked until this transaction ends. What another reaper has, or a holder, is not."""
    rows = connection.execute(
        select(runs)
        .where(runs.c.state == "STARTED", runs.c.lease_until < _NOW)
        .order_by(runs.c.lease_until)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return [from_row(row) for row in rows]


def end_stuck(connection: Connection, *, still: timedelta = LEASE) -> int:
    """Where a lease is over but locked: end the sessions of clients that *still* stand amid a COPY.

    No time-out of PostgreSQL does: such a session is not idle, and nothing stops it while it reads from its client.
    """
    return int(connection.scalar(_END_STUCK, {"still": still}) or 0)


def queue_again(connection: Connection, run_id: str, *, after: timedelta, reason: str) -> None:
    """Of a run taken by ``take_dead``: one more loss, and another attempt *after* that time."""
    _change(
        connection,
        [runs.c.id == run_id],
        state="QUEUED",
        reason=reason,
        losses=runs.c.losses + 1,
        **_to_be_sent(after),
    )


def end_dead(
    connection: Connection, run_id: str, *, state: Literal["FAILED", "LOST", "CANCELLED"], reason: str, at: datetime
) -> None:
    """Of a run taken by ``take_dead``: it is not tried again."""
    error = {} if state == "CANCELLED" else {"error_type": "WorkerLost", "error": reason}
    _change(
        connection,
        [runs.c.id == run_id],
        state=state,
        finished_at=at,
        losses=runs.c.losses + 1,
        lease_until=None,
        reason=reason if state == "CANCELLED" else None,
        **error,
    )


def _held(run_id: str, token: int) -> list[ColumnElement[bool]]:
    return [runs.c.id == run_id, runs.c.attempts == token, runs.c.state == "STARTED"]


def _held_by(run_id: str, worker: str) -> list[ColumnElement[bool]]:
    return [runs.c.id == run_id, runs.c.worker == worker, runs.c.state == "STARTED"]


def _wait_again(connection: Connection, run_id: str, token: int, **values: Any) -> bool:
    """Let the run wait for its next attempt, or end it where a wish to cancel it was accepted."""
    held = _held(run_id, token)
    return _change(connection, [*held, runs.c.cancel_by.is_(None)], **values) or _end_cancelled(connection, held)


def _end_cancelled(connection: Connection, condition: list[ColumnElement[bool]]) -> bool:
    return _change(
        connection,
        [*condition, runs.c.cancel_by.is_not(None)],
        state="CANCELLED",
        finished_at=_NOW,
        lease_until=None,
        reason=runs.c.cancel_by + " cancelled it.",
    )


def _to_be_sent(after: timedelta | None) -> dict[str, Any]:
    return {"lease_until": None, "sent_at": None, "run_after": None if after is None else _NOW + after}


def _change(connection: Connection, condition: list[ColumnElement[bool]], **values: Any) -> bool:
    changed = update(runs).where(*condition).values(**_storable(values)).returning(runs.c.id)
    return connection.scalar(changed) is not None


def _storable(values: Mapping[str, Any]) -> dict[str, Any]:
    # An error may quote anything. One that could not be written down would look like the death of its worker.
    return {name: storable(value) if isinstance(value, str) else value for name, value in values.items()}


def _check_final(state: str) -> None:
    if state not in FINAL_STATES:
        raise InvalidParameter(f"A run ends as {', '.join(FINAL_STATES)}, not as {state!r}.")
