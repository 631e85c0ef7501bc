"""Redis transports on which ``priority=10`` runs before ``priority=1``, as the guide says.

Kombu's own Redis transport pops the lowest number first, from four lists, and clamps 10 to 9.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from kombu.transport import TRANSPORT_ALIASES, redis

MAX_PRIORITY = 10
PRIORITY_STEPS = list(range(MAX_PRIORITY + 1))

PURGED = "quantlab:purged"
"""Redis list of ids of tasks that were purged, until the reaper has dealt with them."""
PURGED_SECONDS = 7 * 86_400


class _HighFirst:
    """Mirrors the number, so that 10 lands in the list that is popped first."""

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


class Transport(redis.Transport):
    """For redis:// and rediss://."""

    Channel = Channel


class SentinelChannel(_HighFirst, redis.SentinelChannel):
    """Channel of connections that Sentinel finds."""


class SentinelTransport(redis.SentinelTransport):
    """For sentinel://."""

    Channel = SentinelChannel


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
