"""What waits in the broker's queues, by priority."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

import redis

from app.cache.client import redis_errors
from app.core.celery_app import app
from app.core.transport import queue_keys


def queue_lengths(client: redis.Redis) -> dict[str, dict[int, int]]:
    """Queue → priority → waiting messages; priorities at which nothing waits are left out."""
    names = [queue.name for queue in cast("Iterable[Any]", app.conf.task_queues)]
    keys = {(name, priority): key for name in names for priority, key in queue_keys(name).items()}
    with redis_errors(), client.pipeline(transaction=False) as pipe:
        for key in keys.values():
            pipe.llen(key)
        lengths = dict(zip(keys, pipe.execute(), strict=True))
    return {
        name: {priority: count for (queue, priority), count in lengths.items() if queue == name and count}
        for name in names
    }
