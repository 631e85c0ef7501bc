"""A worker seen from within: does its main loop turn, does it take what waits, how many of its slots are busy."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from celery import bootsteps
from celery.worker import state

from app.ops.worker_control import is_draining, pool_name

STAMP_EVERY = 2.0
NOT_CONSUMING_AFTER = 60.0
"""Seconds for which messages may wait, with nothing in hand and nothing finished, before the worker counts as stuck."""


class LoopStep(bootsteps.StartStopStep):  # type: ignore[misc] # Celery has no types
    """Calls :attr:`turned` whenever the consumer's own loop turns.

    A step of the consumer, because the consumer starts anew, with new timers, after each loss of its connection.
    """

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, consumer: Any, **_: Any) -> None:
        self.turned = self.begin(consumer)
        self._timer: Any = None

    def begin(self, consumer: Any) -> Callable[[], object]:
        """What to call at each turn; a subclass says."""
        raise NotImplementedError

    def start(self, consumer: Any) -> None:
        """The consumer has a connection, and its loop begins."""
        self.turned()
        if consumer.hub is not None:
            self._timer = consumer.timer.call_repeatedly(STAMP_EVERY, self.turned)
        else:
            # The other pools' loop has no timer of its own, but does this at each turn.
            _call_before(consumer, "perform_pending_operations", self.turned)

    def stop(self, consumer: Any) -> None:  # noqa: ARG002 - Celery's signature
        """The connection is lost, or the worker ends."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class Consumption:
    """What to say of a worker, asked every few seconds from a thread beside its loop."""

    def __init__(
        self,
        consumer: Any,
        *,
        waiting: Callable[[Sequence[str]], int],
        stuck_after: float = NOT_CONSUMING_AFTER,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._consumer, self._waiting, self._stuck_after, self._clock = consumer, waiting, stuck_after, clock
        self._finished = -1
        self._ignored_since: float | None = None

    def facts(self) -> dict[str, Any]:
        """Pool, slots, busy ones, queues, what waits in them, and whether it is ignored for so long: ``stuck``."""
        consumer = self._consumer
        queues = sorted(consumer.app.amqp.queues.consume_from)
        busy, in_hand, finished = (
            len(state.active_requests),
            len(state.reserved_requests),
            sum(state.total_count.values()),
        )
        try:
            waiting: int | None = self._waiting(queues)
        except Exception:
            waiting = None  # whatever keeps us from counting is the broker's trouble and not the worker's
        idle = bool(waiting) and not busy and not in_hand and finished == self._finished and not _told_to_stop()
        self._finished = finished
        now = self._clock()
        if not idle:
            self._ignored_since = None
        elif self._ignored_since is None:
            self._ignored_since = now
        return {
            "pool": pool_name(consumer),
            "slots": _slots(consumer),
            "busy": busy,
            "draining": is_draining(),
            "queues": queues,
            "waiting": waiting,
            "finished": finished,
            # The loop of this pool does the task itself, and turns when it has ended.
            "in_loop": pool_name(consumer) == "solo" and busy > 0,
            "stuck": self._ignored_since is not None and now - self._ignored_since > self._stuck_after,
        }


def _slots(consumer: Any) -> int:
    """How many tasks it can do at once."""
    number = getattr(consumer.pool, "num_processes", None)
    return int(number or consumer.controller.concurrency or 1)


def _told_to_stop() -> bool:
    # Exit codes once they are set, of which 0 is the usual one.
    return any(code is not None and code is not False for code in (state.should_stop, state.should_terminate))


def _call_before(target: Any, method: str, first: Callable[[], object]) -> None:
    """Let *target* call *first* before each call of its *method*."""
    then = getattr(type(target), method)

    def both() -> Any:
        first()
        return then(target)

    setattr(target, method, both)
