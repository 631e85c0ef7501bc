"""Runs that somebody has paused: they wait in the ledger with all that they have done, and are not sent meanwhile."""

from __future__ import annotations

from sqlalchemy import Connection, select, update

from app.store.tables import WAITING_STATES, runs


def pause(connection: Connection, run_id: str, *, by: str) -> bool:
    """Let it wait from now on, or from its next pause on. False: it has ended, or is paused already."""
    open_ = (runs.c.id == run_id, runs.c.paused_by.is_(None))
    # A message that is on its way finds it paused and comes to nothing; resuming sends another.
    waiting = update(runs).where(*open_, runs.c.state.in_(WAITING_STATES)).values(paused_by=by, sent_at=None)
    if connection.execute(waiting).rowcount:
        return True
    return bool(connection.execute(update(runs).where(*open_, runs.c.state == "STARTED").values(paused_by=by)).rowcount)


def resume(connection: Connection, run_id: str) -> bool:
    """Let it go on: at once while it waits. False: it is not paused."""
    on = update(runs).where(runs.c.id == run_id, runs.c.paused_by.is_not(None), runs.c.finished_at.is_(None))
    return bool(connection.execute(on.values(paused_by=None)).rowcount)


def paused_by(connection: Connection, run_id: str) -> str | None:
    """Who paused it, if somebody did."""
    return connection.scalar(select(runs.c.paused_by).where(runs.c.id == run_id))
