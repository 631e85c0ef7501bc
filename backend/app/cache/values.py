"""JSON values with the life that the key table gives them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import redis

from app.cache.client import redis_errors
from app.cache.keys import CacheKey


def put(client: redis.Redis, key: CacheKey, values: Mapping[str, Any]) -> None:
    """Write *values* (part → JSON-able) under *key* in one round trip, each with the key's life."""
    with redis_errors(), client.pipeline(transaction=False) as pipe:
        for part, value in values.items():
            pipe.set(key.of(part), json.dumps(value, ensure_ascii=False), ex=key.ttl)
        pipe.execute()


def get(client: redis.Redis, key: CacheKey, part: str = "") -> Any | None:
    """The value, or None when it is absent or has outlived its time."""
    with redis_errors():
        text: Any = client.get(key.of(part))
    return None if text is None else json.loads(text)
