"""Commands that a worker obeys while it runs: take nothing more, take again. Celery's own forget what was taken."""

from __future__ import annotations

from typing import Any

from celery.worker import state as worker_state
from celery.worker.control import control_command

_left: list[str] = []
"""The queues that this worker left, to which it goes back."""


@control_command()  # type: ignore[untyped-decorator] # Celery has no types
def drain(state: Any) -> dict[str, Any]:
    """Take nothing more from any queue; what is in hand is finished."""
    queues, consumer = state.app.amqp.queues, state.consumer
    for name in sorted(queues.consume_from):
        if name not in _left:
            _left.append(name)
        consumer.call_soon(consumer.cancel_task_queue, name)
    return {"ok": f"takes nothing more from {', '.join(_left)}"}


@control_command()  # type: ignore[untyped-decorator] # Celery has no types
def resume(state: Any) -> dict[str, Any]:
    """Take again from the queues that were left."""
    queues, consumer = state.app.amqp.queues, state.consumer
    names = [_left.pop(0) for _ in range(len(_left))]
    for name in names:
        queues.select_add(queues[name])  # so that it stands after a loss of the connection, too
        consumer.call_soon(consumer.add_task_queue, name)
    return {"ok": f"takes from {', '.join(sorted(queues.consume_from))}"}


@control_command(args=[("slots", int)])  # type: ignore[untyped-decorator] # Celery has no types
def resize(state: Any, slots: int) -> dict[str, Any]:
    """Have so many processes. By the number that the pool means to have: a new one takes a while to be there."""
    consumer = state.consumer
    pool = consumer.pool
    if pool_name(consumer) != "prefork" or consumer.controller.autoscaler:
        return {"error": "only a pool of processes of a fixed number can be resized while it works"}
    more = slots - pool.num_processes
    idle = pool.num_processes - len(worker_state.active_requests)
    if -more > idle:  # billiard would give up those that it can, and then refuse
        return {"error": f"{idle} of its {pool.num_processes} processes are free, and none that works is taken from it"}
    if more > 0:
        pool.grow(more)
    elif more < 0:
        pool.shrink(-more)
    consumer._update_prefetch_count(more)  # noqa: SLF001 - as Celery's own commands do
    return {"ok": f"has {slots} slots"}


def pool_name(consumer: Any) -> str:
    """Such as ``prefork``."""
    return type(consumer.pool).__module__.rpartition(".")[2]


def is_draining() -> bool:
    """Whether this worker was told to take nothing more."""
    return bool(_left)
