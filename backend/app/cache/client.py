"""The connection to Redis, with a time-out on everything."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import redis

from app.errors import StoreUnavailable


def connect(url: str, *, max_connections: int = 50, reply_within: float = 10.0) -> redis.Redis:
    """A client whose every call ends within *reply_within* seconds; it connects at first use."""
    return redis.Redis.from_url(
        url,
        socket_connect_timeout=min(5.0, reply_within),
        socket_timeout=reply_within,
        health_check_interval=30,
        max_connections=max_connections,
        client_name="quantlab",
    )


_CANNOT_WRITE = ("MISCONF", "OOM", "READONLY")
"""A full disk, a full memory, a replica."""


@contextmanager
def redis_errors() -> Iterator[None]:
    """Turn Redis' own connection errors into StoreUnavailable, and its having no room to write."""
    try:
        yield
    except (redis.ConnectionError, redis.TimeoutError) as error:
        message = f"Redis does not answer ({error}); check REDIS_URL and that the server runs."
        raise StoreUnavailable(message) from error
    except redis.ResponseError as error:
        said = str(error).rpartition("caused error: ")[2]  # without the values that a pipeline shows
        if isinstance(error, redis.OutOfMemoryError | redis.ReadOnlyError) or said.startswith(_CANNOT_WRITE):
            message = f"Redis cannot write ({said}); make room on its disk or in its memory."
            raise StoreUnavailable(message) from error
        raise
