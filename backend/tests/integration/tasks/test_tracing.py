"""A trace from the API through the message to the worker, as a collector gets it; and a collector that says nothing."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socket import create_server
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from app.core import queue, tracing
from app.core.celery_app import app
from app.core.config import get_settings
from app.core.wiring import Platform
from app.main import create_app
from app.runtime.ports import answers_http
from app.store import runs
from app.store.engine import transaction
from tests.conftest import PROJECT, wait_until
from tests.integration.api.conftest import Web
from tests.integration.conftest import TOKEN

BACKEND = PROJECT / "backend"
PASSWORD = "hunter2-in-an-address"


class Collector:
    """Takes what OpenTelemetry's exporter sends to ``/v1/traces``."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        bodies = self.bodies

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(200 if self.path == "/v1/traces" else 404)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"

    def spans(self) -> list[dict[str, Any]]:
        """Every span so far: service, name, ids and attributes."""
        found = []
        for body in list(self.bodies):
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                service = {one.key: one.value.string_value for one in resource.resource.attributes}["service.name"]
                found += [
                    {
                        "service": service,
                        "name": span.name,
                        "trace": span.trace_id,
                        "id": span.span_id,
                        "parent": span.parent_span_id,
                        "told": {one.key: one.value.string_value for one in span.attributes},
                    }
                    for scope in resource.scope_spans
                    for span in scope.spans
                ]
        return found


@pytest.fixture
def collector() -> Iterator[Collector]:
    made = Collector()
    thread = threading.Thread(target=made.server.serve_forever, daemon=True)
    thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()
    thread.join(10)


@contextmanager
def process(log: Path, *argv: str) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output:
        child = subprocess.Popen([sys.executable, "-m", *argv], cwd=BACKEND, stdout=output, stderr=subprocess.STDOUT)
    try:
        yield child
    finally:
        child.terminate()
        with suppress(subprocess.TimeoutExpired):
            child.wait(30)
        child.kill()
        child.wait()


@contextmanager
def worker(log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A worker of one process."""
    argv = ("celery", "--quiet", "-A", "app.core.celery_app", "worker", "--concurrency=1", "--without-mingle")
    with process(log, *argv) as child:
        wait_until(lambda: b" ready." in log.read_bytes(), within=60, what="a worker that is ready")
        yield child


def ended(platform: Platform, run_id: str) -> runs.Run | None:
    with transaction(platform.engine) as connection:
        run = runs.get(connection, run_id)
    return run if run.is_final else None


def test_a_trace_leads_from_the_api_to_the_exchange_and_postgresql(
    platform: Platform,
    collector: Collector,
    free_port: Callable[[], int],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    port = free_port()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.address)
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
    monkeypatch.setenv("SOURCE_SECONDS_PER_REQUEST", "0.01")
    monkeypatch.setenv("ISIN_URL", f"http://reader:{PASSWORD}@127.0.0.1:{port}/isin")
    get_settings.cache_clear()
    with process(tmp_path / "sandbox.log", "app.sandbox", "--port", str(port)), worker(tmp_path / "worker.log"):
        wait_until(lambda: answers_http(port, "/_health"), what="the sandbox exchange")
        app.send_task("app.canary", kwargs={"queue": "data_sync", "number": 1}, queue="data_sync", priority=10)
        try:
            web = Web(create_app(get_settings()))
            assert web.get("/health/live").status_code == 200
            answer = web.post(
                "/api/v1/tasks/sync_stock_list/runs", json={}, headers={"Authorization": f"Bearer {TOKEN}"}
            )
            assert answer.status_code == 202, answer.text
        finally:
            tracing.stop_tracing()
        run_id = answer.json()["id"]
        wait_until(lambda: ended(platform, run_id), within=60, what="the end of the run")
        wait_until(lambda: "run sync_stock_list" in {one["name"] for one in collector.spans()}, what="the run's span")
    spans = collector.spans()
    assert len({one["trace"] for one in spans}) == 1, "canary, health and housekeeping leave none"
    asked = next(one for one in spans if one["name"] == "POST /api/v1/tasks/{name}/runs")
    sent = next(one for one in spans if one["name"] == "send sync_stock_list")
    done = next(one for one in spans if one["name"] == "run sync_stock_list")
    assert (asked["parent"], sent["parent"], done["parent"]) == (b"", asked["id"], sent["id"])
    assert {one["service"] for one in spans} == {"quantlab-web", "quantlab-worker"}
    for one in (asked, sent, done):
        assert (one["told"]["quantlab.run_id"], one["told"]["quantlab.task"]) == (run_id, "sync_stock_list")
    state = ended(platform, run_id)
    assert state is not None
    assert done["told"]["quantlab.state"] == state.state == "SUCCESS"
    below = {one["name"] for one in spans if one["parent"] == done["id"]}
    assert {"GET isin", "quota of isin", "INSERT securities"} <= below, below
    said = b"".join(collector.bodies)
    for secret in (PASSWORD, TOKEN, "台積電"):  # of an address, of a header, of a statement's parameters
        assert secret.encode() not in said


def test_a_collector_that_does_not_answer_holds_nothing_up(
    platform: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "worker.log"
    with create_server(("127.0.0.1", 0)) as silent:  # takes connections, and never says a word
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "0.3")
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
        with worker(log) as child:
            for _ in range(3):
                run_id = queue.start_task("cleanup_old_cache", {}, trigger="api").id
                began = time.monotonic()
                wait_until(lambda run_id=run_id: ended(platform, run_id), what="the end of the run")
                assert time.monotonic() - began < 5
                run = ended(platform, run_id)
                assert run is not None
                assert run.state == "SUCCESS"
                wait_until(lambda: "takes no spans" in log.read_text(), what="the line about it")
            child.terminate()
            began = time.monotonic()
            child.wait(30)
            assert time.monotonic() - began < 10
    said = log.read_text()
    assert said.count("takes no spans") == 1
    assert "opentelemetry" not in said
    assert "Traceback" not in said


def test_what_is_recorded_and_sent_takes_no_time_of_whoever_works(
    free_port: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    from app import spans

    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{free_port()}")
    assert tracing.start_tracing("beat") is tracing.start_tracing("beat"), "one a process"
    began = time.monotonic()
    for _ in range(10_000):  # five times what its queue holds
        with spans.begin("run nothing", "CONSUMER", {}):
            pass
    between = time.monotonic()
    tracing.stop_tracing()
    assert between - began < 5
    assert time.monotonic() - between < 8
    assert not spans.is_on()
