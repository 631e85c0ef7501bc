"""The platform's Celery application with tasks that misbehave: ``celery -A tests.chaos.tasks worker|beat|call``.

Its beat knows no schedule but those that CHAOS_TICKS names, so that nothing runs that a test did not ask for.
"""

from __future__ import annotations

import os
import signal
import time

from app.core.celery_app import app
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
def tick(self: QuantLabTask) -> None:
    """What a schedule of the tests asks for."""


app.conf.beat_schedule = {}
