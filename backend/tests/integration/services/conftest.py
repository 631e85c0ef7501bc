"""A services' context on a real PostgreSQL, a real Valkey and the sandbox exchange, with a clock that stands still."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import psycopg
import pytest
import uvicorn
from sqlalchemy import Engine, text

from app.cache.breaker import SharedBreaker
from app.cache.client import connect
from app.cache.quota import SharedQuota
from app.core.config import load_universes
from app.runtime.ports import free_port
from app.runtime.postgres import Postgres
from app.runtime.valkey import Valkey
from app.sandbox.rows import PriceSource
from app.sandbox.server import create_app, open_source, site_urls
from app.services.context import Context, Lease, no_progress
from app.services.sync_securities import sync_securities
from app.sources.archive import Archive
from app.sources.base import Site
from app.sources.http import Client
from app.store.engine import make_engine, transaction
from app.store.leases import start
from tests.conftest import TEMPLATE, fresh_database, wait_until

TAIPEI = ZoneInfo("Asia/Taipei")
NOW = datetime(2026, 11, 20, 21, 0, tzinfo=TAIPEI)  # a Friday, after the close


@dataclass
class Sandbox:
    """A running sandbox exchange."""

    port: int
    clock: list[datetime]

    def _url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def fault(self, site: str, kind: str, **more: Any) -> None:
        answer = httpx.post(self._url("/_faults"), json={"site": site, "fault": kind, **more})
        answer.raise_for_status()

    def heal(self) -> None:
        httpx.delete(self._url("/_faults")).raise_for_status()

    def requests(self) -> dict[str, dict[str, int]]:
        counts: dict[str, dict[str, int]] = httpx.get(self._url("/_requests")).json()["counts"]
        return counts

    def forget_requests(self) -> None:
        httpx.delete(self._url("/_requests")).raise_for_status()


@contextlib.contextmanager
def served(source: PriceSource, now: datetime) -> Iterator[Sandbox]:
    """A sandbox exchange of those prices until the block ends."""
    clock, port = [now], free_port()
    app = create_app(source, clock=lambda: clock[0])
    server = uvicorn.Server(
        uvicorn.Config(app, port=port, log_level="critical", access_log=False, lifespan="off", ws="none")
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    wait_until(lambda: server.started or not thread.is_alive(), what="the sandbox's start")
    assert thread.is_alive()
    try:
        yield Sandbox(port, clock)
    finally:
        server.should_exit = True
        thread.join(timeout=10)


SandboxStarter = Callable[..., Sandbox]


@pytest.fixture(scope="session")
def synthetic() -> PriceSource:
    """The synthetic prices, which are the same for whoever asks: made once."""
    return open_source()


@pytest.fixture
def start_sandbox(synthetic: PriceSource) -> Iterator[SandboxStarter]:
    with contextlib.ExitStack() as servers:

        def begin(*, replay: Path | None = None, now: datetime = NOW) -> Sandbox:
            return servers.enter_context(served(open_source(replay=replay) if replay else synthetic, now))

        yield begin


@pytest.fixture
def sandbox(start_sandbox: SandboxStarter) -> Sandbox:
    return start_sandbox()


@pytest.fixture(scope="session")
def listed(postgres_server: Postgres, valkey_server: Valkey, synthetic: PriceSource, server_folder: Path) -> str:
    """The name of a database that holds the sandbox's lists of securities, to copy."""
    with psycopg.connect(postgres_server.url("postgres"), autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE listed TEMPLATE {TEMPLATE}")
    with served(synthetic, NOW) as sandbox, contextlib.ExitStack() as closing:
        context = context_of(
            postgres_server.url("listed"), valkey_server.url(), sandbox, data_dir=server_folder, closing=closing
        )
        assert sync_securities(context).state == "SUCCESS"
    return "listed"


@pytest.fixture
def database_url(request: pytest.FixtureRequest, postgres_server: Postgres) -> Iterator[str]:
    """As everywhere; but the lists, which every sync of bars needs, are held, unless a test is marked ``unlisted``."""
    with_lists = request.node.get_closest_marker("unlisted") is None
    with fresh_database(postgres_server, request.getfixturevalue("listed") if with_lists else TEMPLATE) as url:
        yield url


@dataclass
class Bench:
    """A context, its sandbox, and a way to look into the database."""

    context: Context
    sandbox: Sandbox
    progress: list[tuple[int, int, str]] = field(default_factory=list)

    @property
    def engine(self) -> Engine:
        return self.context.engine

    def rows(self, query: str, **parameters: Any) -> list[Any]:
        with transaction(self.engine) as connection:
            return list(connection.execute(text(query), parameters))

    def number(self, query: str, **parameters: Any) -> int:
        return int(self.rows(query, **parameters)[0][0])

    def at(self, now: datetime) -> None:
        """Set the clock of both sides."""
        self.sandbox.clock[0] = now


BenchMaker = Callable[..., Bench]


def context_of(
    database_url: str,
    redis_url: str,
    sandbox: Sandbox,
    *,
    data_dir: Path,
    closing: contextlib.ExitStack,
    run_id: str | None = None,
    show_progress: Callable[[int, int, str], None] = no_progress,
) -> Context:
    """What the services work on, at the sandbox's time; what it opens is closed with *closing*."""
    engine = make_engine(database_url, application_name="test")
    closing.callback(engine.dispose)
    redis = connect(redis_url)
    closing.callback(redis.close)

    def clock() -> datetime:
        return sandbox.clock[0].astimezone(UTC)

    urls = site_urls(sandbox.port)
    client = Client(
        {site: urls[f"{site.name}_URL"] for site in Site},
        SharedQuota(redis, seconds=0.001),
        SharedBreaker(redis, clock=clock),
        clock=clock,
        archive=Archive(data_dir / "archive"),
        connect_timeout=2,
        read_timeout=2,
        attempts=2,
        sleep=lambda _: None,
    )
    closing.callback(client.close)
    return Context(
        engine=engine,
        redis=redis,
        client=client,
        clock=clock,
        universes=load_universes(),
        data_dir=data_dir,
        lease=None if run_id is None else Lease(run_id, token=1),
        show_progress=show_progress,
    )


@pytest.fixture
def make_bench(database_url: str, redis_url: str, tmp_path: Path) -> Iterator[BenchMaker]:
    with contextlib.ExitStack() as closing:

        def make(sandbox: Sandbox, *, run_id: str | None = "run-1") -> Bench:
            progress: list[tuple[int, int, str]] = []
            context = context_of(
                database_url,
                redis_url,
                sandbox,
                data_dir=tmp_path,
                closing=closing,
                run_id=run_id,
                show_progress=lambda *step: progress.append(step),
            )
            if run_id is not None:
                with transaction(context.engine) as connection:
                    start(
                        connection,
                        run_id,
                        task="app.tasks.test",
                        parameters={},
                        trigger="manual",
                        worker=None,
                        at=context.clock(),
                    )
            return Bench(context, sandbox, progress)

        yield make


@pytest.fixture
def bench(make_bench: BenchMaker, sandbox: Sandbox) -> Bench:
    return make_bench(sandbox)


FRIDAY = date(2026, 11, 20)
