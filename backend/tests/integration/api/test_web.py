"""Health, errors, headers, the documentation."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from sqlalchemy import text

from app.core import health, wiring
from app.core.celery_app import app as celery
from app.core.config import get_settings
from app.core.wiring import Platform
from app.main import create_app
from app.store import runs
from app.store.engine import transaction
from tests.integration.api.logins import person

if TYPE_CHECKING:
    from tests.integration.api.conftest import Web

BACKEND = Path(__file__).resolve().parents[3]
TOKEN = {"Authorization": "Bearer correct-horse-battery"}
AWAY = {"postgresql": "DATABASE_URL", "redis": "REDIS_URL"}


def turn_away(monkeypatch: pytest.MonkeyPatch, server: str, port: int) -> None:
    """Let the platform look for *server* where nobody listens."""
    scheme = "postgresql" if server == "postgresql" else "redis"
    address = f"{scheme}://127.0.0.1:{port}/{'quantlab' if scheme == 'postgresql' else 0}"
    monkeypatch.setenv(AWAY[server], address)
    if server == "redis":
        monkeypatch.setenv("CELERY_BROKER_URL", address)
        monkeypatch.setenv("CELERY_RESULT_BACKEND", address)
        # Celery keeps the connections of whoever published before.
        monkeypatch.setattr(celery, "_pool", None)
        monkeypatch.setattr(celery.amqp, "_producer_pool", None)
    get_settings.cache_clear()
    wiring.reset_platform()


@pytest.mark.parametrize("path", ["/health", "/health/live", "/metrics", "/openapi.json", "/"])
def test_probes_may_ask_for_the_head_alone(web: Web, path: str) -> None:
    whole, head = web.get(path), web.ask("HEAD", path)
    assert (head.status_code, head.content) == (whole.status_code, b"")
    assert head.status_code in (200, 307)
    assert head.headers.get("content-type") == whole.headers.get("content-type")
    assert web.ask("HEAD", "/api/v1/tasks").status_code == 405, "an answer would be made for nothing"


def test_health_without_a_worker_is_degraded(web: Web) -> None:
    reply = web.get("/health")
    body = reply.json()
    assert (reply.status_code, body["status"]) == (200, "degraded")
    assert (body["source"], body["prices"]) == ("sandbox", "synthetic")
    levels = {finding["name"]: finding["level"] for finding in body["findings"]}
    others = {"worker": "error", "beat": "error", "web": "unknown", "canary": "unknown", "incidents": "ok"}
    assert levels.items() >= {"postgresql": "ok", "redis": "ok", **others}.items()
    assert all(finding["remedy"] for finding in body["findings"] if finding["level"] == "error")


@pytest.mark.parametrize("server", AWAY)
def test_health_says_within_seconds_that_a_server_is_away(
    web: Web, monkeypatch: pytest.MonkeyPatch, free_port: Callable[[], int], server: str
) -> None:
    turn_away(monkeypatch, server, free_port())
    start = time.monotonic()
    reply = web.get("/health")
    assert time.monotonic() - start < health.ANSWER_WITHIN + 2
    assert (reply.status_code, reply.json()["status"]) == (503, "down")
    finding = next(one for one in reply.json()["findings"] if one["name"] == server)
    assert finding["level"] == "error"


def test_a_kept_answer_comes_at_once(web: Web) -> None:
    web.get("/health")
    start = time.monotonic()
    web.get("/health")
    assert time.monotonic() - start < 0.5


def test_without_postgresql_data_is_unavailable(
    web: Web, monkeypatch: pytest.MonkeyPatch, free_port: Callable[[], int]
) -> None:
    turn_away(monkeypatch, "postgresql", free_port())
    reply = web.get("/api/v1/securities")
    assert (reply.status_code, reply.json()["error"]) == (503, "StoreUnavailable")
    assert reply.headers["Retry-After"]


def test_while_postgresql_is_read_only_reading_goes_on(platform: Platform, web: Web) -> None:
    """As a standby before it takes over, to which the address leads already."""
    mei = person(web, platform, "mei", "admin")
    token = mei.ask("POST", "/api/v1/tokens", json={"name": "t", "scope": "read"}).json()["token"]
    bearer = {"Authorization": f"Bearer {token}"}
    with transaction(platform.engine) as connection:
        connection.execute(text("UPDATE web_sessions SET seen_at = seen_at - interval '1 hour'"))
        name = connection.scalar(text("SELECT current_database()"))
        connection.execute(text(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on'))
    platform.engine.dispose()
    try:
        assert mei.get("/api/v1/me").json()["name"] == "mei"
        assert web.get("/api/v1/me", headers=bearer).json()["name"] == "t"
        reply = mei.ask("POST", "/api/v1/tasks/sync_qlib/runs")
        assert (reply.status_code, reply.json()["error"]) == (503, "StoreUnavailable")
        assert "read-only" in reply.json()["message"]
        health = web.get("/health")
        assert (health.status_code, health.json()["status"]) == (200, "degraded")
        found = {one["name"]: one for one in health.json()["findings"]}["postgresql"]
        assert (found["level"], "read-only" in found["detail"]) == ("warning", True)
    finally:
        with transaction(platform.engine) as connection:
            connection.execute(text("SET TRANSACTION READ WRITE"))
            connection.execute(text(f'ALTER DATABASE "{name}" RESET default_transaction_read_only'))
        platform.engine.dispose()
    assert mei.get("/api/v1/me").status_code == 200
    with transaction(platform.engine) as connection:
        assert connection.scalar(text("SELECT seen_at > now() - interval '1 minute' FROM web_sessions"))
        assert connection.scalar(text("SELECT used_at IS NULL FROM api_tokens"))


def test_without_a_broker_the_run_waits_in_the_ledger(
    web: Web, platform: Platform, monkeypatch: pytest.MonkeyPatch, free_port: Callable[[], int]
) -> None:
    turn_away(monkeypatch, "redis", free_port())
    start = time.monotonic()
    reply = web.post("/api/v1/tasks/sync_qlib/runs", headers=TOKEN)
    assert time.monotonic() - start < 15
    assert reply.status_code == 202
    with transaction(platform.engine) as connection:
        (run,) = runs.list_runs(connection)
    assert (run.id, run.state, run.sent_at) == (reply.json()["id"], "QUEUED", None)


def test_an_error_of_ours_shows_no_insides(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.api.runs.store.list_runs", lambda *_, **__: 1 / 0)
    reply = web.get("/api/v1/runs")
    assert reply.status_code == 500
    assert "division" not in reply.text


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("127.0.0.1:3000", 200),
        ("[::1]:3000", 200),
        ("LOCALHOST", 200),
        ("evil.example", 400),
        ("localhost.evil.example:3000", 400),
        ("", 400),
    ],
)
def test_only_known_names(web: Web, host: str, status: int) -> None:
    reply = web.get("/api/v1/tasks", headers={"Host": host})
    assert reply.status_code == status
    if status == 400:
        assert reply.json()["error"] == "UnknownHost"


def test_names_can_be_added(platform: Platform, web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUANTLAB_HOSTS", "quant.example, Other.example")
    get_settings.cache_clear()
    more = type(web)(create_app(get_settings()))
    assert more.get("/api/v1/tasks", headers={"Host": "other.example:3000"}).status_code == 200


def test_a_huge_body_is_refused(web: Web) -> None:
    reply = web.post("/api/v1/tasks/sync_qlib/runs", content=b"x" * 1_000_001, headers=TOKEN)
    assert (reply.status_code, reply.json()["error"]) == (413, "TooLarge")


def test_a_huge_body_in_chunks_is_not_read_to_its_end(web: Web) -> None:
    """Nobody has logged in, and no length was announced."""
    taken = 0

    async def chunks() -> AsyncIterator[bytes]:
        nonlocal taken
        for _ in range(1_000):
            taken += 65_536
            yield b"x" * 65_536

    reply = web.post("/api/v1/users", content=chunks(), headers={"Content-Type": "application/json"})
    assert (reply.status_code, reply.json()["error"]) == (413, "TooLarge")
    assert reply.headers["Connection"] == "close"
    assert taken < 1_200_000


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/runs/timeline?until=0001-01-01",
        "/api/v1/readings?measure=memory&until=0001-01-01",
        "/api/v1/readings?measure=memory&since=9999-12-31T23:59:59-12:00",
    ],
)
def test_years_that_nobody_means_are_told_so(web: Web, path: str) -> None:
    reply = web.get(path)
    assert (reply.status_code, reply.json()["error"]) == (422, "InvalidParameter")
    assert "write a year from 1900 to 2199" in reply.json()["message"]


@pytest.mark.parametrize("name", ["a" * 300 + ".js", "%00.js", "%F0%9F%92%A5.js", ".js"])
def test_no_name_of_a_file_breaks_it(web: Web, name: str) -> None:
    assert web.get(f"/admin/assets/{name}").status_code == 404


PATHS = ["/health", "/admin", "/docs", "/api/v1/nothing", "/admin/assets/gone.js", "/api/v1/tasks", "/api/v1/runs"]


@pytest.mark.parametrize("path", PATHS)
def test_every_reply_carries_the_headers(web: Web, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.setattr("app.api.runs.store.list_runs", lambda *_, **__: 1 / 0)
    reply = web.get(path)
    assert (reply.status_code == 500) is (path == "/api/v1/runs")
    headers = reply.headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert "script-src 'self';" in headers["Content-Security-Policy"]
    assert headers["X-QuantLab-Prices"] == "synthetic"
    assert not [name for name in headers if name.lower().startswith("access-control")]


def test_real_prices_are_not_marked(platform: Platform, web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUANTLAB_SOURCE", "exchange")
    get_settings.cache_clear()
    real = type(web)(create_app(get_settings()))
    assert "X-QuantLab-Prices" not in real.get("/api/v1/tasks").headers
    monkeypatch.setenv("QUANTLAB_SOURCE", "sandbox")
    monkeypatch.setenv("QUANTLAB_PRICES", "replay")
    get_settings.cache_clear()
    replayed = type(web)(create_app(get_settings()))
    assert replayed.get("/api/v1/tasks").headers["X-QuantLab-Prices"] == "replay"


def test_the_documentation_is_complete_and_local(web: Web) -> None:
    page = web.get("/docs").text
    assert not re.search(r"""(src|href)=["']?(https?:)?//""", page)
    assert "<script>" not in page
    for path in re.findall(r'(?:src|href)="([^"]+)"', page):
        assert web.get(path).status_code == 200, path
    described = web.get("/openapi.json").json()
    assert set(described["paths"]) >= {"/health", "/api/v1/bars/{symbol}", "/api/v1/tasks/{name}/runs"}
    assert "NOT real" in described["info"]["description"]
    for path, methods in described["paths"].items():
        for method in methods.values():
            assert {"summary", "description"} <= set(method), path


def test_the_front_door_leads_to_the_console(web: Web) -> None:
    assert web.get("/").headers["Location"] == "/admin"


def test_served_by_uvicorn(platform: Platform, free_port: Callable[[], int], tmp_path: Path) -> None:
    port = free_port()
    command = [sys.executable, "-m", "app.main"]
    with (tmp_path / "web.log").open("wb") as log:
        server = subprocess.Popen(
            command, cwd=BACKEND, env={**os.environ, "PORT": str(port)}, stdout=log, stderr=subprocess.STDOUT
        )
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                reply = httpx.get(f"http://localhost:{port}/health", timeout=10)
                break
            except httpx.TransportError:
                assert server.poll() is None, (tmp_path / "web.log").read_text()
                assert time.monotonic() < deadline
                time.sleep(0.05)
        assert reply.json()["status"] == "degraded"
    finally:
        server.send_signal(signal.SIGTERM)
        assert server.wait(timeout=30) in (0, -signal.SIGTERM)
    assert "Prices are synthetic" in (tmp_path / "web.log").read_text()
