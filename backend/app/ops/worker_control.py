"""Commands that a worker obeys while it runs: take nothing more, take again. Celery's own forget what was taken."""

from __future__ import annotations

from typing import Any

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


def is_draining() -> bool:
    """Whether this worker was told to take nothing more."""
    return bool(_left)
