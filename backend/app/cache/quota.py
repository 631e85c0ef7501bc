"""The quota of requests to a site, shared by all workers of all machines.

throttled-py's GCRA (the exact form of a token bucket; its "token bucket" proper counts whole seconds only) keeps one
timestamp a site in Redis.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any, cast

import redis
from throttled import Throttled, rate_limiter, store

from app.cache.client import redis_errors
from app.errors import RateLimited, StoreUnavailable

_PERIOD = 10_000


class _OurStore(store.RedisStore):
    """throttled-py's store over a client that is there already: one pool, one set of time-outs, one close."""

    def __init__(self, client: redis.Redis) -> None:
        super().__init__()
        # It offers no other way than a second pool of its own.
        self._backend._client = cast("Any", client)  # noqa: SLF001


class SharedQuota:
    """One request a site every *seconds*, no bursts; waits at most *patience* seconds for its turn."""

    def __init__(
        self, client: redis.Redis, *, seconds: float, patience: float = 120, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._seconds = seconds
        self._patience = patience
        self._sleep = sleep
        self._throttled = Throttled(
            using="gcra",
            # The library counts whole requests in whole seconds: a long period expresses any rate.
            quota=rate_limiter.per_duration(timedelta(seconds=_PERIOD), max(1, round(_PERIOD / seconds)), burst=1),
            store=_OurStore(client),
        )

    def acquire(self, site: str) -> None:
        """Wait for a turn to ask *site*. Raises RateLimited when none comes in time."""
        deadline = time.monotonic() + self._patience
        try:
            with redis_errors():
                while (result := self._throttled.limit(f"quantlab:{site}")).limited:
                    if time.monotonic() >= deadline:
                        message = f"No turn to ask {site} within {self._patience:.0f} s: other work uses its quota."
                        raise RateLimited(message, site=site, retry_after=self._seconds)
                    # A little more than asked, at random: many waiters must not come back at the same instant,
                    # nor the exchange see a metronome.
                    self._sleep(result.state.retry_after + random.uniform(0, self._seconds / 4))  # noqa: S311
        except redis.RedisError as error:
            message = f"Redis could not keep the quota of {site}: {error}"
            raise StoreUnavailable(message) from error
