"""Builds the services' context from the settings: once a process, at first use."""

from __future__ import annotations

import os
import time
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property, partial
from typing import TYPE_CHECKING

from app.core.config import Settings, get_settings, load_universes
from app.core.stopping import is_stopping
from app.files import Files, open_files
from app.market.calendar import TradingCalendar
from app.ops.runs import RunLedger
from app.services.context import Context, Lease, no_progress
from app.store import outbox, provenance, sessions
from app.store.engine import LONGEST_STATEMENT, Engine, make_engine, transaction

if TYPE_CHECKING:
    import redis

    from app.cache.breaker import SharedBreaker
    from app.sources.http import Client

FRESH = 3
"""Runs of a lower priority are backfill: they make room for any that waits with a higher one."""
_PATIENCE = timedelta(seconds=2)
"""A free worker takes a message sooner than that."""
_AT_LEAST = 1.0
"""Seconds that an attempt works before it makes room: at its first pause, before any unit, it has not."""


def now() -> datetime:
    """The present instant, aware."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Patience:
    """How many seconds a server may take: for a statement of PostgreSQL, and for a reply of Redis."""

    statement: float = LONGEST_STATEMENT
    reply: float = 10.0
    trusted: float = 0.0
    """PostgreSQL is not asked whether it is there so soon after its last answer."""


AT_WORK = Patience(trusted=0.2)
"""For who does tasks, or asks for something by hand."""
PROMPT = Patience(statement=6.0, reply=3.0)
"""For who answers a person: whatever hangs, the sentence about it comes within ten seconds."""
BACKSTAGE = Patience(statement=20.0, reply=5.0)
"""For beat and the worker's main process, whose loops must turn."""


class Platform:
    """The servers and clients of one process, each made when it is first needed.

    Redis, the sites' client and Celery are imported then, too: a command that reads PostgreSQL alone starts in two
    thirds of the time.
    """

    def __init__(self, settings: Settings, patience: Patience = AT_WORK) -> None:
        self.settings = settings
        self.patience = patience
        self._pid = os.getpid()

    @cached_property
    def engine(self) -> Engine:
        """PostgreSQL; refuses a database that holds the other source's data."""
        engine = make_engine(
            self.settings.database_url.get_secret_value(),
            application_name="quantlab",
            statement_timeout=self.patience.statement,
            trusted=self.patience.trusted,
        )
        try:
            with transaction(engine) as connection:
                provenance.check(connection, self.settings.quantlab_source)
        except BaseException:
            engine.dispose()
            raise
        return engine

    @cached_property
    def redis(self) -> redis.Redis:
        """Caches, quota and breaker."""
        from app.cache.client import connect  # noqa: PLC0415

        return connect(
            self.settings.redis_url.get_secret_value(),
            max_connections=self.settings.celery_redis_max_connections,
            reply_within=self.patience.reply,
            master=self.settings.celery_sentinel_master,
            sentinel_options=self.settings.sentinel_options,
        )

    @cached_property
    def lease_engine(self) -> Engine:
        """One connection of its own for renewing leases: it must not wait for those that do the work."""
        url = self.settings.database_url.get_secret_value()
        return make_engine(url, application_name="quantlab leases", pool_size=1, statement_timeout=4)

    @cached_property
    def ledger(self) -> RunLedger:
        """The run ledger."""
        return RunLedger(self.engine, clock=now)

    @cached_property
    def breaker(self) -> SharedBreaker:
        """The breakers of the sites."""
        from app.cache.breaker import SharedBreaker  # noqa: PLC0415

        return SharedBreaker(self.redis, clock=now)

    @cached_property
    def archive(self) -> Files:
        """Where raw replies are kept."""
        return open_files(self.settings.archive_address)

    @cached_property
    def client(self) -> Client:
        """The exchanges' sites."""
        from app.core import exchanges  # noqa: PLC0415

        return exchanges.client_of(self.settings, self.redis, breaker=self.breaker, archive=self.archive, clock=now)

    def close(self) -> None:
        """Close what this process opened; connections made before a fork belong to the parent and stay."""
        if os.getpid() != self._pid:
            return
        made = vars(self)
        for name in ("engine", "lease_engine"):
            if name in made:
                made[name].dispose()
        for name in ("redis", "client"):
            if name in made:
                made[name].close()

    def calendar(self) -> TradingCalendar:
        """The trading calendar with the overrides that the store holds now."""
        with transaction(self.engine) as connection:
            return sessions.trading_calendar(connection)

    def context(
        self, lease: Lease | None = None, *, priority: int | None = None, queues: Collection[str] = ()
    ) -> Context:
        """What services work with; for a run, with its lease, the priority of its message, and its worker's queues."""
        from celery.exceptions import SoftTimeLimitExceeded  # noqa: PLC0415

        return Context(
            engine=self.engine,
            redis=self.redis,
            client=self.client,
            clock=now,
            universes=load_universes(),
            data_dir=self.settings.data_dir,
            archive=self.archive,
            lease=lease,
            show_progress=self.ledger.progress_of(lease.run_id, lease.token) if lease else no_progress,
            interrupts=(SoftTimeLimitExceeded,),
            give_back=partial(self._why_give_back, priority, queues, time.monotonic()),
        )

    def _why_give_back(self, priority: int | None, queues: Collection[str], began: float) -> str | None:
        """Why a run of that priority should make room now, or None; *began* is when this attempt did.

        Only what this worker would begin instead counts, and never before a first unit: else a run that nobody takes
        would have it begin and give back for ever.
        """
        if is_stopping():
            return "Its worker was told to stop; another goes on with it."
        if priority is None or priority >= FRESH or time.monotonic() - began < _AT_LEAST:
            return None
        with transaction(self.engine) as connection:
            waits = outbox.fresher_waits(connection, above=priority, for_longer_than=_PATIENCE, queues=queues)
        return "It made room for fresh data, and goes on after them." if waits else None


_platform: Platform | None = None
_patience = AT_WORK


def get_platform() -> Platform:
    """This process's platform."""
    global _platform  # noqa: PLW0603 - one a process, replaced after a fork
    if _platform is None:
        _platform = Platform(get_settings(), _patience)
    return _platform


def reset_platform(patience: Patience = AT_WORK) -> None:
    """Begin anew, as after a fork; from now on have *patience*."""
    global _platform, _patience
    if _platform is not None:
        _platform.close()
    _platform, _patience = None, patience
