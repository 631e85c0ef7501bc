"""With a server that is there and does not answer, each request ends with a sentence within ten seconds."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from app.core import wiring
from app.core.config import get_settings
from app.core.watching import be_prompt
from app.core.wiring import Platform
from app.main import create_app
from app.runtime.account import server_account
from app.runtime.ports import free_port
from app.runtime.postgres import Postgres
from app.runtime.valkey import Valkey
from tests.conftest import migrate, running, wait_until
from tests.integration.api.conftest import Web

TOKEN = {"Authorization": "Bearer correct-horse-battery"}
LONGEST = 10.0


class Servers:
    """A PostgreSQL and a Valkey of this test's own, to be stopped like a swapping machine."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        postgres = Postgres(folder / "postgres", free_port(), server_account(), durable=False)
        valkey = Valkey(folder / "valkey", free_port(), durable=False)
        self.pids: dict[str, int] = {}
        for name, server in (("postgresql", postgres), ("redis", valkey)):
            server.prepare()
            self.pids[name] = stack.enter_context(running(server.program(), folder / f"{name}.log")).pid
        self.urls = {"DATABASE_URL": postgres.url(), "REDIS_URL": valkey.url()}

    def send(self, name: str, number: signal.Signals) -> None:
        parent = psutil.Process(self.pids[name])
        for process in [parent, *parent.children(recursive=True)]:
            process.send_signal(number)


@pytest.fixture
def servers(server_folder: Path, tmp_path: Path) -> Iterator[Servers]:
    folder = server_folder / f"frozen-api-{os.getpid()}"
    folder.mkdir(mode=0o711, exist_ok=True)
    with ExitStack() as stack:
        servers = Servers(folder, stack)
        migrate(servers.urls["DATABASE_URL"])
        yield servers


@pytest.fixture
def web(platform: Platform, servers: Servers, monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    """The web with its own patience, as it is served."""
    from app.core.celery_app import app

    for name, url in servers.urls.items():
        monkeypatch.setenv(name, url)
    for name in ("CELERY_BROKER_URL", "CELERY_RESULT_BACKEND"):
        monkeypatch.setenv(name, servers.urls["REDIS_URL"])
    options = app.conf.broker_transport_options
    get_settings.cache_clear()
    be_prompt()
    yield Web(create_app(get_settings()))
    wiring.reset_platform()
    app.conf.broker_transport_options = options
    app.pool.force_close_all()


def ask(web: Web, method: str, path: str) -> int:
    start = time.monotonic()
    reply = web.ask(method, path, headers=TOKEN)
    assert time.monotonic() - start < LONGEST, path
    if reply.status_code >= 500 and path.startswith("/api"):
        assert (reply.status_code, reply.json()["error"]) == (503, "StoreUnavailable")
        assert reply.json()["message"].endswith(".")
    return reply.status_code


@pytest.mark.long
@pytest.mark.timeout(240)
def test_frozen_servers(web: Web, servers: Servers) -> None:
    runs, start, quotes = "/api/v1/runs", "/api/v1/tasks/cleanup_old_cache/runs", "/api/v1/quotes?symbols=2330"
    assert ask(web, "GET", runs) == 200
    assert ask(web, "POST", start) == 202
    servers.send("postgresql", signal.SIGSTOP)
    try:
        assert ask(web, "GET", runs) == 503  # with a connection that was good a moment ago
        assert ask(web, "POST", start) == 503
        assert ask(web, "GET", "/health") == 503
        assert ask(web, "GET", "/admin") == 200
        assert ask(web, "GET", "/health/live") == 200
    finally:
        servers.send("postgresql", signal.SIGCONT)
    wait_until(lambda: ask(web, "GET", runs) == 200, what="PostgreSQL's return")
    servers.send("redis", signal.SIGSTOP)
    try:
        assert ask(web, "GET", quotes) in (404, 503)
        # The run is written down; the outbox sends it when Redis is back.
        assert ask(web, "POST", "/api/v1/tasks/sync_qlib/runs") == 202
        time.sleep(3.1)  # what was found before is no longer fresh
        assert ask(web, "GET", "/health") in (200, 503)
        assert ask(web, "GET", "/admin") == 200
    finally:
        servers.send("redis", signal.SIGCONT)
    assert ask(web, "POST", start) == 202
