"""Redis transports on which ``priority=10`` runs before ``priority=1``, as the guide says.

Kombu's own Redis transport pops the lowest number first, from four lists, and clamps 10 to 9.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable
from typing import Any

from kombu.transport import TRANSPORT_ALIASES, redis
from loguru import logger

MAX_PRIORITY = 10
PRIORITY_STEPS = list(range(MAX_PRIORITY + 1))

PURGED = "quantlab:purged"
"""Redis list of ids of tasks that were purged, until the reaper has dealt with them."""
PURGED_SECONDS = 7 * 86_400


class _QoS(redis.QoS):
    """Gives messages back when its channel closes, if that can be done."""

    def restore_unacked(self, client: Any = None) -> None:
        """Let the channel close even where Redis is away: kombu's own would end the whole worker for that.

        What is not given back is no loss: runs that nobody begins are sent again by the ledger's reaper.
        """
        try:
            super().restore_unacked(client)
        except Exception as error:  # AttributeError too: the connection may be half taken apart by then
            logger.warning("{} messages could not be given back to Redis: {!r}", len(self._delivered), error)
            self._delivered.clear()


class _HighFirst:
    """Mirrors the number, so that 10 lands in the list that is popped first."""

    QoS = _QoS
    max_priority = MAX_PRIORITY
    priority_steps = PRIORITY_STEPS

    def _purge(self, queue: str) -> int:
        """Remember what an operator purges: those runs end, instead of being taken for lost and sent again."""
        with self.conn_or_acquire() as client:  # type: ignore[attr-defined]
            if ids := waiting_ids(client, [queue]):
                client.rpush(PURGED, *ids)
                client.expire(PURGED, PURGED_SECONDS)
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
    return [json.loads(message)["headers"]["id"] for messages in lists for message in messages]
