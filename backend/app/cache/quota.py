"""The quota of requests to a site, shared by all workers of all machines.

throttled-py's GCRA (the exact form of a token bucket; its "token bucket" proper counts whole seconds only) keeps one
timestamp a site in Redis. A site that asked for it rests: a key of our own that lives as long as its wish.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, cast

import redis
from throttled import Throttled, rate_limiter, store

from app.cache.client import redis_errors
from app.cache.keys import QUOTA_REST
from app.errors import RateLimited, StoreUnavailable

_PERIOD = 10_000


class _OurStore(store.RedisStore):
    """throttled-py's store over a client that is there already: one pool, one set of time-outs, one close."""

    def __init__(self, client: redis.Redis) -> None:
        super().__init__()
        # It offers no other way than a second pool of its own.
        self._backend._client = cast("Any", client)  # noqa: SLF001


class SharedQuota:
    """One request a site every *seconds*, no bursts; waits at most *patience* seconds for its turn.

    *paces* has the seconds of sites that count otherwise.
    """

    def __init__(
        self,
        client: redis.Redis,
        *,
        seconds: float,
        paces: Mapping[str, float] | None = None,
        patience: float = 120,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client = client
        self._seconds = seconds
        self._paces = dict(paces or {})
        self._patience = patience
        self._sleep = sleep
        self._store = _OurStore(client)
        self._throttled = {pace: self._at(pace) for pace in {seconds, *self._paces.values()}}

    def _at(self, pace: float) -> Throttled:
        return Throttled(
            using="gcra",
            # The library counts whole requests in whole seconds: a long period expresses any rate.
            quota=rate_limiter.per_duration(timedelta(seconds=_PERIOD), max(1, round(_PERIOD / pace)), burst=1),
            store=self._store,
        )

    def acquire(self, site: str) -> None:
        """Wait for a turn to ask *site*. Raises RateLimited when none comes in time, or while the site rests."""
        deadline = time.monotonic() + self._patience
        pace = self._paces.get(site, self._seconds)
        try:
            with redis_errors():
                self._refuse_while_it_rests(site)
                while (result := self._throttled[pace].limit(f"quantlab:{site}")).limited:
                    if time.monotonic() >= deadline:
                        message = f"No turn to ask {site} within {self._patience:.0f} s: other work uses its quota."
                        raise RateLimited(message, site=site, retry_after=pace)
                    # A little more than asked, at random: many waiters must not come back at the same instant,
                    # nor the exchange see a metronome.
                    self._sleep(result.state.retry_after + random.uniform(0, pace / 4))  # noqa: S311
        except redis.RedisError as error:
            message = f"Redis could not keep the quota of {site}: {error}"
            raise StoreUnavailable(message) from error

    def rest(self, site: str, seconds: float, reason: str) -> None:
        """The site wants to be left alone for so long: until then ``acquire`` refuses at once, in every worker."""
        life = max(1, round(min(seconds, QUOTA_REST.ttl)))
        with redis_errors():
            self._client.set(QUOTA_REST.of(site), reason, ex=life)

    def _refuse_while_it_rests(self, site: str) -> None:
        if rest := resting(self._client, site):
            left, sentence = rest
            raise RateLimited(sentence, site=site, retry_after=left)


def resting(client: redis.Redis, site: str) -> tuple[int, str] | None:
    """For how many seconds *site* still rests, and a sentence that says why; None while it does not."""
    key = QUOTA_REST.of(site)
    with redis_errors(), client.pipeline() as pipe:
        pipe.get(key)
        pipe.ttl(key)
        reason, left = pipe.execute()
    if reason is None:
        return None
    return max(left, 1), f"{site} is left alone for another {max(left, 1)} s, as it asked: {reason.decode()}"
