"""Builds the services' context from the settings: once a process, at first use."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cached_property

import redis
from celery.exceptions import SoftTimeLimitExceeded

from app.cache.breaker import SharedBreaker
from app.cache.client import connect
from app.cache.quota import SharedQuota
from app.core.config import Settings, get_settings, load_universes
from app.market.calendar import TradingCalendar
from app.ops.runs import RunLedger
from app.services.context import Context, Progress, no_progress
from app.sources.archive import Archive
from app.sources.base import Site
from app.sources.http import Client
from app.store import provenance, sessions
from app.store.engine import Engine, make_engine, transaction


def now() -> datetime:
    """The present instant, aware."""
    return datetime.now(UTC)


class Platform:
    """The servers and clients of one process, each made when it is first needed."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @cached_property
    def engine(self) -> Engine:
        """PostgreSQL; refuses a database that holds the other source's data."""
        engine = make_engine(self.settings.database_url.get_secret_value(), application_name="quantlab")
        with transaction(engine) as connection:
            provenance.check(connection, self.settings.quantlab_source)
        return engine

    @cached_property
    def redis(self) -> redis.Redis:
        """Caches, quota and breaker."""
        return connect(
            self.settings.redis_url.get_secret_value(), max_connections=self.settings.celery_redis_max_connections
        )

    @cached_property
    def ledger(self) -> RunLedger:
        """The run ledger."""
        return RunLedger(self.engine, clock=now)

    @cached_property
    def breaker(self) -> SharedBreaker:
        """The breakers of the sites."""
        return SharedBreaker(self.redis, clock=now)

    @cached_property
    def client(self) -> Client:
        """The exchanges' sites."""
        settings = self.settings
        return Client(
            base_urls={
                Site.TWSE: settings.twse_url,
                Site.TWSE_OPENAPI: settings.twse_openapi_url,
                Site.TPEX: settings.tpex_url,
                Site.MIS: settings.mis_url,
                Site.ISIN: settings.isin_url,
            },
            quota=SharedQuota(self.redis, seconds=settings.source_seconds_per_request),
            breaker=self.breaker,
            archive=Archive(settings.data_dir / "archive"),
            connect_timeout=settings.source_connect_timeout,
            read_timeout=settings.source_read_timeout,
            clock=now,
        )

    def calendar(self) -> TradingCalendar:
        """The trading calendar with the overrides that the store holds now."""
        with transaction(self.engine) as connection:
            return sessions.trading_calendar(connection)

    def context(self, *, run_id: str | None = None, progress: Progress = no_progress) -> Context:
        """What services work with."""
        return Context(
            engine=self.engine,
            redis=self.redis,
            client=self.client,
            clock=now,
            universes=load_universes(),
            data_dir=self.settings.data_dir,
            run_id=run_id,
            progress=progress,
            interrupts=(SoftTimeLimitExceeded,),
        )


_platform: Platform | None = None


def get_platform() -> Platform:
    """This process's platform."""
    global _platform  # noqa: PLW0603 - one a process, replaced after a fork
    if _platform is None:
        _platform = Platform(get_settings())
    return _platform


def reset_platform() -> None:
    """Forget connections made before a fork: they belong to the parent."""
    global _platform  # noqa: PLW0603
    _platform = None
