"""Commands that a worker obeys while it runs: take nothing more, take again. Celery's own forget what was taken.

Each has an instant (seconds since 1970) *until* which it is obeyed: whoever sent it gave it up after that.
"""

from __future__ import annotations

import os
import time
from typing import Any

import psutil
from celery.worker import state as worker_state
from celery.worker.control import control_command

SLOTS_PER_CORE = 4
"""Tasks wait more than they compute; but to make a process takes the worker's own loop most of a second."""
BYTES_PER_SLOT = 256 * 1024**2
"""A process of a worker has some 200 MB."""
_TOO_LATE: dict[str, Any] = {"error": "the command came too late, and nothing was done; give it again"}

_left: list[str] = []
"""The queues that this worker left, to which it goes back."""


@control_command()  # type: ignore[untyped-decorator] # Celery has no types
def drain(state: Any, until: float) -> dict[str, Any]:
    """Take nothing more from any queue; what is in hand is finished."""
    if time.time() > until:
        return _TOO_LATE
    queues, consumer = state.app.amqp.queues, state.consumer
    for name in sorted(queues.consume_from):
        if name not in _left:
            _left.append(name)
        consumer.call_soon(consumer.cancel_task_queue, name)
    return {"ok": f"takes nothing more from {', '.join(_left)}"}


@control_command()  # type: ignore[untyped-decorator] # Celery has no types
def resume(state: Any, until: float) -> dict[str, Any]:
    """Take again from the queues that were left."""
    if time.time() > until:
        return _TOO_LATE
    queues, consumer = state.app.amqp.queues, state.consumer
    names = [_left.pop(0) for _ in range(len(_left))]
    for name in names:
        queues.select_add(queues[name])  # so that it stands after a loss of the connection, too
        consumer.call_soon(consumer.add_task_queue, name)
    return {"ok": f"takes from {', '.join(sorted(queues.consume_from))}"}


@control_command(args=[("slots", int)])  # type: ignore[untyped-decorator] # Celery has no types
def resize(state: Any, slots: int, until: float) -> dict[str, Any]:
    """Have so many processes. By the number that the pool means to have: a new one takes a while to be there."""
    if time.time() > until:
        return _TOO_LATE
    consumer = state.consumer
    pool = consumer.pool
    if pool_name(consumer) != "prefork" or consumer.controller.autoscaler:
        return {"error": "only a pool of processes of a fixed number can be resized while it works"}
    more = slots - pool.num_processes
    cores, free = os.cpu_count() or 1, psutil.virtual_memory().available
    most = max(pool.num_processes, most_slots(pool.num_processes, cores=cores, free=free))
    if slots > most:
        return {"error": f"this machine bears at most {most} slots: it has {cores} cores and {free // 1024**2} MB free"}
    idle = pool.num_processes - len(worker_state.active_requests)
    if -more > idle:  # billiard would give up those that it can, and then refuse
        return {"error": f"{idle} of its {pool.num_processes} processes are free, and none that works is taken from it"}
    if more > 0:
        pool.grow(more)
    elif more < 0:
        pool.shrink(-more)
    consumer._update_prefetch_count(more)  # noqa: SLF001 - as Celery's own commands do
    return {"ok": f"has {slots} slots"}


@control_command()  # type: ignore[untyped-decorator] # Celery has no types
def restart(state: Any, until: float) -> dict[str, Any]:  # noqa: ARG001 - Celery's signature
    """End when the tasks in hand have; the loop sees it at its next turn, after this answer."""
    if time.time() > until:
        return _TOO_LATE
    worker_state.should_stop = 0
    return {"ok": "ends after the tasks in hand; what started it starts it again, unless that was a terminal"}


def most_slots(has: int, *, cores: int, free: int) -> int:
    """How many slots a machine of so many cores and *free* bytes of memory bears, with those that it has already."""
    return min(cores * SLOTS_PER_CORE, has + free // BYTES_PER_SLOT)


def pool_name(consumer: Any) -> str:
    """Such as ``prefork``."""
    return type(consumer.pool).__module__.rpartition(".")[2]


def is_draining() -> bool:
    """Whether this worker was told to take nothing more."""
    return bool(_left)
