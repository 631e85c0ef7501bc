"""The checks of the running platform, wired: what /health, the first page and `quantlab status` show."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from time import monotonic

from app.core.alerts import check_incidents
from app.core.wiring import Platform
from app.errors import StoreUnavailable
from app.ops import health, liveness
from app.ops.health import Check, Finding
from app.store import heartbeats
from app.store.engine import transaction
from app.store.heartbeats import Seen

ANSWER_WITHIN = 2.0
"""Seconds; whoever has not answered by then counts as away."""
FRESH, STALE = 3.0, 12.0
"""Seconds: an answer is as good as new until FRESH; until STALE it is shown while the next one is being found."""


def checks_of(platform: Platform) -> dict[str, Check]:
    """Name → check, of PostgreSQL, Redis, worker, beat, web, and the way through all of them."""
    settings = platform.settings
    look = _once(lambda: _look(platform), within=0.8 * ANSWER_WITHIN)
    return {
        "postgresql": lambda: health.check_postgresql(lambda: platform.engine, source=settings.quantlab_source),
        "redis": lambda: health.check_redis(platform.redis),
        "worker": lambda: liveness.check_programs(look, "worker"),
        "beat": lambda: liveness.check_programs(look, "beat"),
        "web": lambda: liveness.check_programs(look, "web"),
        "canary": lambda: liveness.check_canary(look),
        "incidents": lambda: check_incidents(platform),
    }


def _look(platform: Platform) -> Seen:
    with transaction(platform.engine) as connection:
        return heartbeats.look(connection)


def _once(look: Callable[[], Seen], *, within: float) -> Callable[[], Seen]:
    """The same look for all who ask; StoreUnavailable to those whom it does not answer in time."""
    seen: Future[Seen] = Future()
    begun = threading.Lock()

    def do() -> None:
        try:
            seen.set_result(look())
        except BaseException as error:
            seen.set_exception(error)

    def get() -> Seen:
        if begun.acquire(blocking=False):
            threading.Thread(target=do, name="look at heartbeats", daemon=True).start()
        try:
            return seen.result(timeout=within)
        except TimeoutError:
            raise StoreUnavailable("PostgreSQL does not answer in time.") from None

    return get


def find_all(platform: Platform) -> list[Finding]:
    """All of them, in at most ANSWER_WITHIN seconds."""
    return health.find_within(ANSWER_WITHIN, checks_of(platform))


class _Recent:
    """The newest findings; one caller at a time looks, for asking every worker takes a second."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="health")
        self._looking: Future[list[Finding]] | None = None
        self._platform: Platform | None = None
        self._found: list[Finding] = []
        self._at = 0.0

    def get(self, platform: Platform) -> list[Finding]:
        with self._lock:
            known = self._platform is platform
            age = monotonic() - self._at
            if known and age < FRESH:
                return self._found
            if self._looking is None or self._looking.done() or not known:
                self._platform = platform if known else None
                self._looking = self._pool.submit(self._look, platform)
            looking, found = self._looking, self._found
        return found if known and age < STALE else looking.result()

    def _look(self, platform: Platform) -> list[Finding]:
        found = find_all(platform)
        with self._lock:
            self._platform, self._found, self._at = platform, found, monotonic()
        return found


_recent = _Recent()


def find_recent(platform: Platform) -> list[Finding]:
    """What ``find_all`` found within the last STALE seconds: at once, if somebody asked lately."""
    return _recent.get(platform)
