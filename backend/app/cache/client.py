"""The connection to Redis, with a time-out on everything."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast
from urllib.parse import unquote, urlsplit

import redis
from redis.sentinel import Sentinel

from app.errors import ConfigurationError, StoreUnavailable


def connect(
    url: str,
    *,
    max_connections: int = 50,
    reply_within: float = 10.0,
    master: str | None = None,
    sentinel_options: Mapping[str, Any] | None = None,
) -> redis.Redis:
    """A client whose every call ends within *reply_within* seconds; it connects at first use.

    ``sentinel://:password@host:26379;sentinel://…/0`` is the Redis that those Sentinels name as *master* at that time.
    """
    options: dict[str, Any] = {
        "socket_connect_timeout": min(5.0, reply_within),
        "socket_timeout": reply_within,
        "health_check_interval": 30,
        "max_connections": max_connections,
        "client_name": "quantlab",
    }
    if not url.startswith("sentinel://"):
        try:
            return redis.Redis.from_url(url, **options)
        except ValueError as error:  # of an option behind the address; it quotes no more than its name
            raise ConfigurationError(f"REDIS_URL cannot be read: {str(error).rstrip('.')}.") from None
    if master is None:
        raise ConfigurationError("REDIS_URL names Sentinels: set CELERY_SENTINEL_MASTER to the name of their master.")
    parts = [urlsplit(one) for one in url.split(";")]
    sentinels = Sentinel(  # type: ignore[no-untyped-call]
        [(one.hostname, one.port or 26379) for one in parts], sentinel_kwargs=dict(sentinel_options or {})
    )
    password = next((unquote(one.password) for one in parts if one.password), None)
    database = int(parts[-1].path.strip("/") or 0)
    client = sentinels.master_for(master, password=password, db=database, **options)  # type: ignore[no-untyped-call]
    return cast("redis.Redis", client)


_CANNOT_WRITE = ("MISCONF", "OOM", "READONLY")
"""A full disk, a full memory, a replica."""


@contextmanager
def redis_errors() -> Iterator[None]:
    """Turn Redis' own connection errors into StoreUnavailable, and its having no room to write."""
    try:
        yield
    except (redis.ConnectionError, redis.TimeoutError) as error:
        message = f"Redis does not answer ({str(error).rstrip('.')}); check REDIS_URL and that the server runs."
        raise StoreUnavailable(message) from error
    except redis.ResponseError as error:
        said = str(error).rpartition("caused error: ")[2]  # without the values that a pipeline shows
        if isinstance(error, redis.OutOfMemoryError | redis.ReadOnlyError) or said.startswith(_CANNOT_WRITE):
            message = f"Redis cannot write ({said}); make room on its disk or in its memory."
            raise StoreUnavailable(message) from error
        raise
