"""The canary's other end. Not one of the platform's tasks: it leaves no run in the ledger."""

from __future__ import annotations

from celery import Task

from app.core.celery_app import app
from app.core.wiring import get_platform
from app.errors import QuantLabError
from app.ops.canary import TASK
from app.store import heartbeats
from app.store.engine import transaction


@app.task(
    bind=True,
    base=Task,
    name=TASK,
    ignore_result=True,
    acks_late=False,
    max_retries=0,
    track_started=False,
    time_limit=60,
)
def canary(self: Task, queue: str, number: int) -> None:
    """Say that it arrived."""
    try:
        with transaction(get_platform().engine) as connection:
            heartbeats.answer_canary(connection, queue, number, worker=self.request.hostname or "")
    except QuantLabError:
        return  # PostgreSQL is away, which its own check says; the next one follows within a minute
