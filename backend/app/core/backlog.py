"""What waits in the broker's queues, by priority."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import redis

from app.cache.client import redis_errors
from app.core.celery_app import app
from app.core.config import get_settings
from app.core.transport import PURGED, queue_keys, waiting_ids
from app.ops.reaper import Waiting


def queue_lengths(client: redis.Redis) -> dict[str, dict[int, int]]:
    """Queue → priority → waiting messages; priorities at which nothing waits are left out."""
    names = _queue_names()
    keys = {(name, priority): key for name in names for priority, key in queue_keys(name).items()}
    with redis_errors(), client.pipeline(transaction=False) as pipe:
        for key in keys.values():
            pipe.llen(key)
        lengths = dict(zip(keys, pipe.execute(), strict=True))
    return {
        name: {priority: count for (queue, priority), count in lengths.items() if queue == name and count}
        for name in names
    }


def unacked(client: redis.Redis) -> int | None:
    """How many messages workers have in hand; None when the broker is no Redis."""
    with redis_errors(), _broker(client) as broker:
        return None if broker is None else int(cast("int", broker.hlen("unacked")))


def count_waiting(client: redis.Redis, queues: Collection[str]) -> int:
    """How many messages wait in *queues* together."""
    with redis_errors(), client.pipeline(transaction=False) as pipe:
        for name in queues:
            for key in queue_keys(name).values():
                pipe.llen(key)
        return sum(pipe.execute())


def look_at_broker(client: redis.Redis, queues: Collection[str | None]) -> Waiting | None:
    """The runs whose messages wait in *queues* (None: the default one), and those that were purged.

    None when the broker is no Redis: then nobody can look into its queues.
    """
    names = {name or app.conf.task_default_queue for name in queues}
    with redis_errors(), _broker(client) as broker:
        if broker is None:
            return None
        purged = [one.decode() for one in cast("list[bytes]", broker.lrange(PURGED, 0, -1))]
        return Waiting(waiting_ids(broker, names), purged)


@contextmanager
def _broker(client: redis.Redis) -> Iterator[redis.Redis | None]:
    """A client of the broker: *client* where it is the same Redis, else the broker's own; None where it is no Redis."""
    settings = get_settings()
    if settings.broker_url == settings.redis_url.get_secret_value():
        yield client
    elif settings.broker_url.startswith(("redis", "sentinel")):
        with app.connection_for_read() as connection:
            yield connection.default_channel.client
    else:
        yield None


def forget_purged(client: redis.Redis, ids: Collection[str]) -> None:
    """These are dealt with."""
    if not ids:
        return
    with redis_errors(), _broker(client) as broker, cast("redis.Redis", broker).pipeline(transaction=False) as pipe:
        for one in ids:
            pipe.lrem(PURGED, 0, one)
        pipe.execute()


def _queue_names() -> list[str]:
    return [queue.name for queue in cast("Iterable[Any]", app.conf.task_queues)]
