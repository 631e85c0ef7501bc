"""The one HTTP client: breaker, quota, request, archive, parse; transport faults become typed errors."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import datetime
from types import TracebackType
from typing import Self, TypeVar

import httpx
from loguru import logger
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    stop_after_attempt,
    wait_exponential_jitter,
)
from tenacity.stop import stop_base

from app import spans
from app.errors import (
    ConfigurationError,
    RateLimited,
    RetriableSourceError,
    SourceError,
    SourceRefused,
    SourceUnavailable,
)
from app.sources.archive import Archive
from app.sources.base import Dataset, Parsed, Reply, Request, Site
from app.sources.guards import Breaker, NoBreaker, NoQuota, Quota
from app.sources.transport import USER_AGENT, Transport, tls_context

__all__ = ["USER_AGENT", "Breaker", "Client", "NoBreaker", "NoQuota", "Quota", "tls_context"]

Q = TypeVar("Q")
T = TypeVar("T")


SHARED_WISH = 60.0
"""Seconds; a site that says "too often" and asks for as much patience is left alone by all workers."""


class Client:
    """Fetches any dataset; one a process, safe between threads.

    ``base_urls`` has the address of each site; ``attempts`` is how often one fetch asks when the site does not answer,
    with 2, 4, 8 … seconds (and some jitter) between; a site that asks for more patience than ``max_wait`` gets its
    wish by the error's ``retry_after``. ``tokens`` are sent to their own sites only.
    """

    def __init__(
        self,
        base_urls: Mapping[Site, str],
        quota: Quota,
        breaker: Breaker,
        *,
        clock: Callable[[], datetime],
        archive: Archive | None = None,
        tokens: Mapping[Site, str] | None = None,
        connect_timeout: float = 10,
        read_timeout: float = 60,
        total_timeout: float = 300,
        max_bytes: int = 64 * 2**20,
        attempts: int = 4,
        first_wait: float = 2,
        max_wait: float = 30,
        sleep: Callable[[float], None] = time.sleep,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        if attempts < 1:
            raise ConfigurationError(f"A fetch needs at least one attempt, not {attempts}.")
        self._quota = quota
        self._breaker = breaker
        self._archive = archive
        self._attempts = attempts
        self._max_wait = max_wait
        self._sleep = sleep
        self._backoff = wait_exponential_jitter(multiplier=first_wait, max=max_wait, jitter=first_wait)
        self._transport = Transport(
            base_urls,
            clock=clock,
            connect_timeout=connect_timeout,
            read_timeout=read_timeout,
            total_timeout=total_timeout,
            max_bytes=max_bytes,
            tokens=tokens or {},
            transport=transport,
        )

    def fetch(self, dataset: Dataset[Q, T], query: Q) -> Parsed[T]:
        """Ask for *query* and give the values.

        Raises every SourceError: SourceUnavailable after the last attempt, SourceRefused (which opens the breaker),
        RateLimited, SourceChanged, WrongDate, NoData, NotYetPublished; and StoreError from the archive.
        """
        request = dataset.request(query)
        retrying = Retrying(
            stop=stop_after_attempt(self._attempts) | _StopAtLongWish(self._max_wait),
            wait=self._wait,
            retry=retry_if_exception_type(SourceUnavailable),
            sleep=self._sleep,
            before_sleep=_log_retry,
            reraise=True,
        )
        for attempt in retrying:
            # Outside of the attempt: what these raise is their own verdict, not worth trying again here.
            self._breaker.check(request.site)
            with spans.within(f"quota of {request.site}", "INTERNAL", {}):
                self._quota.acquire(request.site)
            with attempt:
                return self._once(dataset, query, request)
        raise AssertionError("Retrying ends by returning or raising")  # pragma: no cover

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _once(self, dataset: Dataset[Q, T], query: Q, request: Request, *, warm: bool = False) -> Parsed[T]:
        try:
            reply = self._transport.get(request)
            self._keep(reply, dataset, query)
            parsed = dataset.parse(reply.body, query)
        except SourceRefused as error:
            self._breaker.open(request.site, str(error))
            raise
        except SourceUnavailable as error:
            if not warm and dataset.warm_up and error.facts.get("needs_warm_up"):
                return self._after_warm_up(dataset, query, request)
            self._breaker.failure(request.site, error)
            raise
        except RateLimited as error:
            if (error.retry_after or 0) >= SHARED_WISH:
                self._quota.rest(request.site, error.retry_after or 0, str(error))
            self._breaker.failure(request.site, error)
            raise
        except SourceError:
            self._breaker.success(request.site)  # NoData, WrongDate, SourceChanged: whatever it says, it answered
            raise
        self._breaker.success(request.site)
        logger.debug("{} gave {} rows, {} rejected", request.site, len(parsed.rows), len(parsed.rejected))
        return parsed

    def _after_warm_up(self, dataset: Dataset[Q, T], query: Q, request: Request) -> Parsed[T]:
        """Get the page that gives a session cookie, then ask again; the client keeps the cookie from then on."""
        logger.debug("{} wants a session first", request.site)
        self._quota.acquire(request.site)
        try:
            self._transport.get(Request(request.site, str(dataset.warm_up)))
        except SourceRefused as error:
            self._breaker.open(request.site, str(error))
            raise
        except RetriableSourceError as error:
            self._breaker.failure(request.site, error)
            raise
        self._quota.acquire(request.site)
        return self._once(dataset, query, request, warm=True)

    def _keep(self, reply: Reply, dataset: Dataset[Q, T], query: Q) -> None:
        if self._archive is not None:
            self._archive.keep(reply, dataset=dataset.name, query=query)

    def _wait(self, state: RetryCallState) -> float:
        return max(self._backoff(state), _wish(state))


class _StopAtLongWish(stop_base):
    """Give up now where the site wants more patience than a fetch should have: whoever called can come back later."""

    def __init__(self, longest: float) -> None:
        self._longest = longest

    def __call__(self, retry_state: RetryCallState) -> bool:
        return _wish(retry_state) > self._longest


def _wish(state: RetryCallState) -> float:
    """For how long the site asked to be left alone, in seconds."""
    error = state.outcome.exception() if state.outcome else None
    return (error.retry_after or 0.0) if isinstance(error, SourceUnavailable) else 0.0


def _log_retry(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    pause = state.next_action.sleep if state.next_action else 0.0
    logger.info("Attempt {} failed: {} The next one is in {:.1f} s", state.attempt_number, error, pause)
