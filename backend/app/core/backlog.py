"""What waits in the broker's queues, by priority."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import redis
from kombu.exceptions import ChannelError, KombuError

from app.cache.client import redis_errors
from app.cache.keys import PURGED
from app.core.celery_app import app
from app.core.config import get_settings
from app.core.transport import is_redis, queue_keys, waiting_ids
from app.errors import StoreUnavailable
from app.ops.reaper import Waiting


def queue_lengths(client: redis.Redis) -> dict[str, dict[int | None, int]]:
    """Queue → priority → waiting messages; priorities at which nothing waits are left out.

    The priority is None where the broker, RabbitMQ, tells the length of a queue and not of its priorities.
    """
    names = _queue_names()
    keys = {(name, priority): key for name in names for priority, key in queue_keys(name).items()}
    with redis_errors(), _broker(client) as broker:
        if broker is None:
            return {name: {None: count} if count else {} for name, count in _asked_lengths(names).items()}
        with broker.pipeline(transaction=False) as pipe:
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
    with redis_errors(), _broker(client) as broker:
        if broker is None:
            return sum(_asked_lengths(queues).values())
        with broker.pipeline(transaction=False) as pipe:
            for name in queues:
                for key in queue_keys(name).values():
                    pipe.llen(key)
            return sum(pipe.execute())


def look_at_broker(client: redis.Redis, queues: Collection[str | None]) -> Waiting:
    """The runs whose messages wait in *queues* (None: the default one), and those that were purged.

    RabbitMQ lets nobody look into its queues, but tells whether one is empty; it does not tell what was purged.
    """
    names = {name or app.conf.task_default_queue for name in queues}
    with redis_errors(), _broker(client) as broker:
        if broker is None:
            lengths = _asked_lengths(names)
            return Waiting([], [], opaque={name for name in queues if lengths[name or app.conf.task_default_queue]})
        purged = [one.decode() for one in cast("list[bytes]", broker.lrange(PURGED.of(), 0, -1))]
        return Waiting(waiting_ids(broker, names), purged)


@contextmanager
def _broker(client: redis.Redis) -> Iterator[redis.Redis | None]:
    """A client of the broker: *client* where it is the same Redis, else the broker's own; None where it is no Redis."""
    settings = get_settings()
    if settings.broker_url == settings.redis_url.get_secret_value():
        yield client
    elif is_redis(settings.broker_url):
        with app.connection_for_read() as connection:
            try:
                connection.ensure_connection(max_retries=1, interval_start=0, timeout=5)
                client = connection.default_channel.client
            except (OSError, KombuError, *connection.connection_errors) as error:
                raise _away(error) from error
            yield client
    else:
        yield None


def forget_purged(client: redis.Redis, ids: Collection[str]) -> None:
    """These are dealt with."""
    if not ids:
        return
    with redis_errors(), _broker(client) as broker, cast("redis.Redis", broker).pipeline(transaction=False) as pipe:
        for one in ids:
            pipe.lrem(PURGED.of(), 0, one)
        pipe.execute()


def _asked_lengths(names: Collection[str]) -> dict[str, int]:
    """Queue → waiting messages, as a broker that is no Redis tells them; a queue that nobody has made yet holds none.

    Raises:
        StoreUnavailable: it does not answer.
    """
    lengths = {}
    with app.connection_for_read() as connection:
        try:
            connection.ensure_connection(max_retries=1, interval_start=0, timeout=5)
            for name in names:
                with connection.channel() as channel:
                    try:
                        lengths[name] = int(channel.queue_declare(queue=name, passive=True).message_count)
                    except ChannelError:
                        lengths[name] = 0
        except (OSError, KombuError, *connection.connection_errors) as error:
            raise _away(error) from error
    return lengths


def _away(error: Exception) -> StoreUnavailable:
    said = str(error).rstrip(".")
    return StoreUnavailable(f"The broker does not answer ({said}); check CELERY_BROKER_URL and that the server runs.")


def _queue_names() -> list[str]:
    return [queue.name for queue in cast("Iterable[Any]", app.conf.task_queues)]
