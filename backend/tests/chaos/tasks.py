"""The platform's Celery application with tasks that misbehave: ``celery -A tests.chaos.tasks worker|beat|call``.

Its beat knows no schedule but those that CHAOS_TICKS names, so that nothing runs that a test did not ask for.
"""

from __future__ import annotations

import os
import signal
import time
from datetime import UTC, datetime

from app.core.celery_app import BEAT_SCHEDULE, app
from app.ops.scheduler import LedgerScheduler
from app.store import schedules
from app.store.engine import Connection
from app.tasks._base import QuantLabTask

__all__ = ["app"]


@app.task(bind=True, name="app.tasks.poison")
def poison(self: QuantLabTask) -> None:
    """Kill the process that runs it, as the kernel does when memory runs out."""
    os.kill(os.getpid(), signal.SIGKILL)


@app.task(bind=True, name="app.tasks.nap")
def nap(self: QuantLabTask, seconds: float = 1.0, number: int = 0) -> None:
    """Do nothing, for a while; *number* tells one from another."""
    time.sleep(seconds)


@app.task(bind=True, name="app.tasks.tick")
def tick(self: QuantLabTask, schedule: str = "") -> None:
    """What a schedule of the tests asks for."""


app.conf.beat_schedule = {}

if "CHAOS_TICKS" in os.environ:
    # Beats that live fast: the real schedules' times, by a clock of theirs that runs CHAOS_SPEED times as fast as
    # PostgreSQL's from the instant CHAOS_TICKS on, each asking for a tick.
    _begin, _zero, _speed = (float(part) for part in os.environ["CHAOS_TICKS"].split(","))

    def _fast(connection: Connection) -> datetime:
        true = schedules.instant(connection).timestamp()
        return datetime.fromtimestamp(_begin + (true - _zero) * _speed, UTC)

    LedgerScheduler.instant = staticmethod(_fast)  # type: ignore[method-assign,assignment]
    app.conf.beat_schedule = {
        name: {"task": "app.tasks.tick", "schedule": entry["schedule"], "kwargs": {"schedule": name}}
        for name, entry in BEAT_SCHEDULE.items()
    }
    app.schedule_policies = {name: {"misfire": "all"} for name in BEAT_SCHEDULE}
