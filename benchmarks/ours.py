"""Our side of ``ledger``: the same empty task in the platform's own application, and what each part of a run costs."""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

from sqlalchemy import text

from app.core.celery_app import app
from app.core.wiring import get_platform
from app.store import leases
from app.store.engine import transaction
from app.tasks._base import QuantLabTask
from app.tasks.lease import LeaseKeeper

NAME = "app.tasks.nothing"
PARTS = 400


@app.task(bind=True, name=NAME)
def nothing(self: QuantLabTask, number: int) -> None:
    """Do nothing."""


def send(count: int, *, first: int = 0) -> float:
    """Send so many, each another; seconds."""
    begun = time.perf_counter()
    for number in range(first, first + count):
        app.send_task(NAME, kwargs={"number": number})
    return time.perf_counter() - begun


def _each(work: Callable[[int], Any]) -> float:
    """Median milliseconds of one call."""
    seconds = []
    for number in range(PARTS):
        begun = time.perf_counter()
        work(number)
        seconds.append(time.perf_counter() - begun)
    return statistics.median(seconds) * 1000


def parts() -> dict[str, float]:
    """Milliseconds of each step that a run of ours has and a bare task has not, one after the other, in one process."""
    platform = get_platform()
    ledger, task = platform.ledger, app.tasks[NAME]
    keeper = LeaseKeeper(lambda: platform.lease_engine)
    forced = {"trigger": "manual", "queue": "data_sync", "priority": 5, "sent": True}

    def renew(number: int) -> None:
        with transaction(platform.lease_engine) as connection:
            leases.renew(connection, {f"part-{number}": 1, f"part-{(number + 1) % PARTS}": 1})

    def empty(_: int) -> None:
        with transaction(platform.engine):
            pass

    def commit(synchronous: str) -> None:
        with transaction(platform.engine) as connection:
            connection.execute(text(f"SET LOCAL synchronous_commit = {synchronous}"))
            connection.execute(text("UPDATE runs SET worker = worker WHERE id = 'part-0'"))

    return {
        "sending: parameters checked and put into one form": _each(
            lambda number: task.canonical_parameters((), {"number": number})
        ),
        "sending: the run written down, and committed": _each(
            lambda number: ledger.queued(f"part-{number}", task=NAME, parameters={"number": -number}, **forced)
        ),
        "beginning: the lease taken, and committed": _each(
            lambda number: ledger.taken(f"part-{number}", worker="benchmark")
        ),
        "beginning: parameters checked": _each(lambda number: task.check_parameters((), {"number": number})),
        "under way: the lease given to its keeper and back": _each(
            lambda number: keeper.release(keeper.hold(f"part-{number}", 1))
        ),
        "each 5 s: two leases renewed, and committed": _each(renew),
        "ending: the result written down, and committed": _each(
            lambda number: ledger.finished(f"part-{number}", 1, state="SUCCESS")
        ),
        "of each that is committed: waiting for the disk": _each(lambda _: commit("on"))
        - _each(lambda _: commit("off")),
        "of each that is committed: an empty transaction": _each(empty),
    }


if __name__ == "__main__":
    if sys.argv[1] == "parts":
        print(json.dumps(parts()))
    else:
        send(5, first=10_000_000)  # connects
        print(json.dumps({"seconds": send(int(sys.argv[1]), first=int(sys.argv[2]))}))
