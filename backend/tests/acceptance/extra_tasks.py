"""Tasks for the tests of the pools, written as the guide's recipe says: ``celery -A tests.acceptance.extra_tasks``."""

from __future__ import annotations

import os
import signal
import time

from app.core.celery_app import app
from app.tasks._base import QuantLabTask

__all__ = ["app"]


@app.task(bind=True, name="app.tasks.nap")
def nap(self: QuantLabTask, seconds: float = 1.0) -> None:
    """Do nothing, for a while."""
    time.sleep(seconds)


@app.task(bind=True, name="app.tasks.hang", time_limit=2)
def hang(self: QuantLabTask) -> None:
    """Never end by itself."""
    time.sleep(120)


@app.task(bind=True, name="app.tasks.linger", soft_time_limit=1, time_limit=60)
def linger(self: QuantLabTask) -> None:
    """Take longer than the soft limit."""
    time.sleep(120)


@app.task(bind=True, name="app.tasks.die")
def die(self: QuantLabTask) -> None:
    """Kill the process that runs it, as the kernel does when memory runs out."""
    os.kill(os.getpid(), signal.SIGKILL)


@app.task(bind=True, name="app.tasks.dig")
def dig(self: QuantLabTask, parts: int = 40) -> None:
    """Long work in parts, between which it may be stopped."""
    context = self.context()
    for part in range(parts):
        context.progress(part, parts, f"part {part}")
        time.sleep(0.1)
