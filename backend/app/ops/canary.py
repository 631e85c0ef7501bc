"""The canary: a message a minute through each queue, whose answer proves the whole way from beat to a worker."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable

from celery import Celery
from kombu.exceptions import ChannelError
from loguru import logger

from app.store import heartbeats
from app.store.engine import Engine, transaction

TASK = "app.canary"
EVERY = 55.0
"""Seconds between two of a queue, whoever sends them; a little less than the minute at which it is tried."""
LATE = 60.0
"""Seconds after which an answer is missed."""


def send_canaries(app: Celery, engine: Engine, queues: list[str], *, priority: int) -> list[str]:
    """Send one through each queue for which it is time; the queues. At most one is on its way in each.

    Raises:
        StoreUnavailable: PostgreSQL does not answer; what the broker does not take is withdrawn and sent later.
    """
    sent = []
    for queue in queues:
        with transaction(engine) as connection:
            last = {one.queue: one for one in heartbeats.look(connection).canaries}.get(queue)
        # What was purged, or lost with Redis, is not waited for.
        missed = last is not None and not last.answered and (last.sent_age or 0.0) > LATE
        lost = missed and _is_empty(app, queue)
        with transaction(engine) as connection:
            number = heartbeats.claim_canary(
                connection, queue, host=socket.gethostname(), pid=os.getpid(), every=EVERY, lost=lost
            )
        if number is None:
            continue
        if _sent(lambda: _publish(app, queue, number, priority)):  # noqa: B023 - called at once
            sent.append(queue)
        else:
            with transaction(engine) as connection:
                heartbeats.withdraw_canary(connection, queue, number)
    return sent


def _publish(app: Celery, queue: str, number: int, priority: int) -> None:
    app.send_task(
        TASK,
        kwargs={"queue": queue, "number": number},
        queue=queue,
        priority=priority,
        ignore_result=True,
        retry_policy={"max_retries": 1, "interval_start": 0, "interval_step": 0.1, "interval_max": 0.1},
    )


def _sent(publish: Callable[[], None]) -> bool:
    try:
        publish()
    except Exception as error:
        logger.debug("No canary is sent: {}", error)
        return False
    return True


def _is_empty(app: Celery, queue: str) -> bool:
    """Whether nothing waits in the queue; False where the broker does not say."""
    try:
        with app.connection_for_write() as connection:
            waiting: int = connection.default_channel.queue_declare(queue, passive=True).message_count
    except ChannelError:
        return True  # a list that holds nothing is no list
    except Exception:
        return False
    return waiting == 0
