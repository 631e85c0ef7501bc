"""Redis transports on which ``priority=10`` runs before ``priority=1``, as the guide says.

Kombu's own Redis transport pops the lowest number first, from four lists, and clamps 10 to 9.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable
from typing import Any

from kombu.transport import TRANSPORT_ALIASES, redis

from app.cache.keys import PURGED

MAX_PRIORITY = 10
PRIORITY_STEPS = list(range(MAX_PRIORITY + 1))


class _QoS(redis.QoS):
    """Acknowledges messages, and does without where the connection by which they came is gone.

    Kombu's own then fails on a connection that is half taken apart, and Celery ends the whole worker for that. No
    harm is done without: such a message comes again one day, and the ledger knows that there is nothing to do; a run
    that nobody has begun is sent again by the reaper.
    """

    def ack(self, delivery_tag: str) -> None:
        """The message is dealt with."""
        if self._is_gone():
            self._delivered.pop(delivery_tag, None)
        else:
            super().ack(delivery_tag)

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:
        """The message is not for us."""
        if self._is_gone():
            self._delivered.pop(delivery_tag, None)
        else:
            super().reject(delivery_tag, requeue)

    def restore_unacked(self, client: Any = None) -> None:
        """Put back what is in hand, as the channel closes."""
        if self._is_gone():
            self._delivered.clear()
        else:
            super().restore_unacked(client)

    def _is_gone(self) -> bool:
        connection = self.channel.connection
        return connection is None or connection.client is None


class _HighFirst:
    """Mirrors the number, so that 10 lands in the list that is popped first."""

    QoS = _QoS
    max_priority = MAX_PRIORITY
    priority_steps = PRIORITY_STEPS

    def _purge(self, queue: str) -> int:
        """Remember what an operator purges: those runs end, instead of being taken for lost and sent again."""
        with self.conn_or_acquire() as client:  # type: ignore[attr-defined]
            if ids := waiting_ids(client, [queue]):
                client.rpush(PURGED.of(), *ids)
                client.expire(PURGED.of(), PURGED.ttl)
        purged: int = super()._purge(queue)  # type: ignore[misc]
        return purged

    def _get_message_priority(self, message: Any, reverse: bool = False) -> int:
        priority: int = super()._get_message_priority(message, reverse=not reverse)  # type: ignore[misc]
        return priority


class Channel(_HighFirst, redis.Channel):
    """Channel of plain and TLS connections."""


class _Attempting:
    """Says when it tries to reach the server: for a worker's main loop, which does so itself, that is a sign of life.

    Each try is bounded, all of them together are not: a loop that waits for Redis is not one that hangs.
    """

    trying: Callable[[], object] | None = None

    def establish_connection(self) -> Any:
        if _Attempting.trying is not None and threading.current_thread() is threading.main_thread():
            _Attempting.trying()
        return super().establish_connection()  # type: ignore[misc]


class Transport(_Attempting, redis.Transport):
    """For redis:// and rediss://."""

    Channel = Channel


class SentinelChannel(_HighFirst, redis.SentinelChannel):
    """Channel of connections that Sentinel finds."""


class SentinelTransport(_Attempting, redis.SentinelTransport):
    """For sentinel://."""

    Channel = SentinelChannel


def is_redis(url: str) -> bool:
    """Whether the broker of that address is a Redis, alone or behind Sentinel."""
    return url.startswith(("redis", "sentinel"))


def tell_of_attempts(trying: Callable[[], object]) -> None:
    """Call *trying* whenever the main thread of this process is about to connect to the broker."""
    _Attempting.trying = staticmethod(trying)


def register_transports() -> None:
    """Let the usual addresses mean ours; every process that touches the broker must do so."""
    TRANSPORT_ALIASES["redis"] = TRANSPORT_ALIASES["rediss"] = f"{__name__}:Transport"
    TRANSPORT_ALIASES["sentinel"] = f"{__name__}:SentinelTransport"


def queue_keys(queue: str) -> dict[int, str]:
    """Priority → the Redis list in which *queue*'s waiting messages of that priority stand."""
    return {MAX_PRIORITY - step: f"{queue}{redis.Channel.sep}{step}" if step else queue for step in PRIORITY_STEPS}


def waiting_ids(client: Any, queues: Iterable[str]) -> list[str]:
    """The ids of the tasks whose messages wait in *queues*."""
    keys = [key for queue in queues for key in queue_keys(queue).values()]
    with client.pipeline(transaction=False) as pipe:
        for key in keys:
            pipe.lrange(key, 0, -1)
        lists = pipe.execute()
    found = (_id_of(message) for messages in lists for message in messages)
    return [one for one in found if one is not None]


def _id_of(message: bytes | str) -> str | None:
    """The id in a message; None in one that others put there: it may be anything, and must not hide the runs beside."""
    try:
        said = json.loads(message)["headers"]["id"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return said if isinstance(said, str) else None
