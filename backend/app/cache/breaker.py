"""The breaker of a site, shared by all workers: after a ban page, or too many failures in a row, nobody asks it.

Two keys a site do it, both with a life: ``open`` (the reason; while it exists, the breaker is open) and ``failures``
(a count). When ``open`` expires the next request is the trial: the count is still at the threshold, so one more
failure opens it again. Libraries (pybreaker, circuitbreaker) keep no reason and no life on their keys: ADR 0005.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import redis
from loguru import logger

from app.cache.client import redis_errors
from app.cache.keys import BREAKER_FAILURES, BREAKER_OPEN, QUOTA_REST
from app.errors import SourceError, SourceRefused, SourceUnavailable
from app.market.calendar import TAIPEI

FAILURES_TO_OPEN = 5
REST_AFTER_FAILURES = timedelta(minutes=5)
REST_AFTER_BAN = timedelta(minutes=30)


class SharedBreaker:
    """State in Redis; *clock* gives the aware instant for the sentences."""

    def __init__(self, client: redis.Redis, *, clock: Callable[[], datetime]) -> None:
        self._client = client
        self._clock = clock

    def check(self, site: str) -> None:
        """Raise while the site must not be asked, with the reason: SourceRefused for a ban, else SourceUnavailable.

        The latter knows how long yet: a run that tries again waits for it, instead of asking a closed door.
        """
        state = self.state(site)
        if state is None:
            return
        sentence = (
            f"{site} is not asked since {_taipei(state['since'])} Taipei: {state['reason']} "
            f"The next try is at {_taipei(state['until'])}; "
            f"`quantlab doctor` tells more."
        )
        if state["refused"]:
            raise SourceRefused(sentence, site=site)
        rest = datetime.fromisoformat(state["until"]) - self._clock()
        raise SourceUnavailable(sentence, site=site, retry_after=max(rest.total_seconds(), 0.0))

    def state(self, site: str) -> dict[str, Any] | None:
        """Why and until when the site is not asked; None while it may be."""
        with redis_errors():
            text: Any = self._client.get(BREAKER_OPEN.of(site))
        return None if text is None else dict(json.loads(text))

    def success(self, site: str) -> None:
        """The site answered: forget its failures."""
        with redis_errors():
            self._client.delete(BREAKER_FAILURES.of(site))

    def failure(self, site: str, error: SourceError) -> None:
        """Count a failure; the fifth in a row opens the breaker."""
        key = BREAKER_FAILURES.of(site)
        with redis_errors(), self._client.pipeline() as pipe:
            pipe.incr(key)
            pipe.expire(key, BREAKER_FAILURES.ttl)
            failures = int(pipe.execute()[0])
        if failures >= FAILURES_TO_OPEN:
            self._open(site, f"{failures} failures in a row, the last: {error}", REST_AFTER_FAILURES, refused=False)

    def open(self, site: str, reason: str) -> None:
        """The site refused us: open at once, for longer."""
        self._open(site, reason, REST_AFTER_BAN, refused=True)

    def close(self, site: str) -> None:
        """An operator's word that the site may be asked again."""
        with redis_errors():
            self._client.delete(BREAKER_OPEN.of(site), BREAKER_FAILURES.of(site), QUOTA_REST.of(site))

    def _open(self, site: str, reason: str, rest: timedelta, *, refused: bool) -> None:
        now = self._clock()
        until = (now + rest).isoformat(timespec="seconds")
        state = {
            "reason": f"{reason.rstrip('.')}.",  # a sentence, for others follow it
            "refused": refused,
            "since": now.isoformat(timespec="seconds"),
            "until": until,
        }
        with redis_errors():
            self._client.set(BREAKER_OPEN.of(site), json.dumps(state), ex=int(rest.total_seconds()))
        logger.warning("The breaker of {} is open until {} Taipei: {}", site, _taipei(until), reason)


def _taipei(instant: str) -> str:
    return f"{datetime.fromisoformat(instant).astimezone(TAIPEI):%Y-%m-%d %H:%M:%S}"
