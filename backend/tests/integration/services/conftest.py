"""A services' context on a real PostgreSQL, a real Valkey and the sandbox exchange, with a clock that stands still."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
import uvicorn
from sqlalchemy import Engine, text

from app.cache.breaker import SharedBreaker
from app.cache.client import connect
from app.cache.quota import SharedQuota
from app.core.config import load_universes
from app.sandbox.server import create_app, open_source, site_urls
from app.services.context import Context, Lease
from app.sources.archive import Archive
from app.sources.base import Site
from app.sources.http import Client
from app.store.engine import make_engine, transaction
from app.store.leases import start

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


SandboxStarter = Callable[..., Sandbox]


@pytest.fixture
def start_sandbox(free_port: Callable[[], int]) -> Iterator[SandboxStarter]:
    servers: list[tuple[uvicorn.Server, threading.Thread]] = []

    def begin(*, replay: Path | None = None, now: datetime = NOW) -> Sandbox:
        clock = [now]
        app = create_app(open_source(replay=replay), clock=lambda: clock[0])
        port = free_port()
        server = uvicorn.Server(
            uvicorn.Config(app, port=port, log_level="critical", access_log=False, lifespan="off", ws="none")
        )
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        deadline = time.monotonic() + 30
        while not server.started:
            assert time.monotonic() < deadline
            assert thread.is_alive()
            time.sleep(0.01)
        servers.append((server, thread))
        return Sandbox(port, clock)

    yield begin
    for server, thread in servers:
        server.should_exit = True
        thread.join(timeout=10)


@pytest.fixture
def sandbox(start_sandbox: SandboxStarter) -> Sandbox:
    return start_sandbox()


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


@pytest.fixture
def make_bench(database_url: str, redis_url: str, tmp_path: Path) -> Iterator[BenchMaker]:
    benches: list[Bench] = []

    def make(sandbox: Sandbox, *, run_id: str | None = "run-1") -> Bench:
        engine = make_engine(database_url, application_name="test")
        redis = connect(redis_url)

        def clock() -> datetime:
            return sandbox.clock[0].astimezone(UTC)

        urls = site_urls(sandbox.port)
        bench = Bench(
            Context(
                engine=engine,
                redis=redis,
                client=Client(
                    {site: urls[f"{site.name}_URL"] for site in Site},
                    SharedQuota(redis, seconds=0.001),
                    SharedBreaker(redis, clock=clock),
                    clock=clock,
                    archive=Archive(tmp_path / "archive"),
                    connect_timeout=2,
                    read_timeout=2,
                    attempts=2,
                    sleep=lambda _: None,
                ),
                clock=clock,
                universes=load_universes(),
                data_dir=tmp_path,
                lease=None if run_id is None else Lease(run_id, token=1),
                show_progress=lambda *step: bench.progress.append(step),
            ),
            sandbox,
        )
        benches.append(bench)
        if run_id is not None:
            with transaction(engine) as connection:
                start(
                    connection,
                    run_id,
                    task="app.tasks.test",
                    parameters={},
                    trigger="manual",
                    worker=None,
                    at=clock(),
                )
        return bench

    yield make
    for bench in benches:
        bench.engine.dispose()
        bench.context.redis.close()
        bench.context.client.close()


@pytest.fixture
def bench(make_bench: BenchMaker, sandbox: Sandbox) -> Bench:
    return make_bench(sandbox)


FRIDAY = date(2026, 11, 20)
