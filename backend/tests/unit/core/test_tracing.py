"""Traces: nothing of them where they are off, a sentence where they cannot be, and what a statement is called."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys

import pytest

from app.core import tracing
from app.errors import ConfigurationError
from app.store.traced import summary
from tests.conftest import PROJECT

BACKEND = PROJECT / "backend"
ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("OTEL_")]:
        monkeypatch.delenv(name)


def test_nothing_of_it_is_imported_where_it_is_off() -> None:
    script = (
        "import sys, app.main, app.tasks\n"
        "from celery import signals\n"
        "signals.worker_init.send(None), signals.worker_process_init.send(None)\n"
        # redis-py imports a part of the SDK by itself where it is installed, and FastAPI the API.
        "print([name for name in sys.modules if name.startswith(('opentelemetry.sdk.trace', 'opentelemetry.exporter', "
        "'opentelemetry.proto', 'google.protobuf', 'app.core.otlp'))])"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=BACKEND, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize(
    "more",
    [
        {},
        {ENDPOINT: ""},
        {ENDPOINT: "http://c", "OTEL_SDK_DISABLED": "true"},
        {ENDPOINT: "http://c", "OTEL_TRACES_EXPORTER": "none"},
    ],
)
def test_when_it_is_off(more: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in more.items():
        monkeypatch.setenv(name, value)
    assert tracing.start_tracing("web") is None


def test_asked_for_and_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec

    def without(name: str) -> object:
        if name.startswith("opentelemetry.exporter"):
            raise ModuleNotFoundError(name)
        return found(name)

    monkeypatch.setenv(ENDPOINT, "http://127.0.0.1:4318")
    tracing.check_tracing()
    monkeypatch.setattr(tracing, "find_spec", without)
    with pytest.raises(ConfigurationError, match=r"install the extra `tracing`"):
        tracing.start_tracing("web")


def test_another_protocol_stops_the_worker_with_a_sentence() -> None:
    environment = {**os.environ, ENDPOINT: "http://127.0.0.1:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}
    argv = [sys.executable, "-m", "celery", "--quiet", "-A", "app.core.celery_app", "worker"]
    done = subprocess.run(argv, cwd=BACKEND, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert done.stderr.strip().endswith("which is usually 4318.")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("statement", "called"),
    [
        ("SELECT a, b FROM bars WHERE a = %(a)s", "SELECT bars"),
        ("\n  INSERT INTO runs (id) VALUES (%s) ON CONFLICT DO UPDATE SET id = 1", "INSERT runs"),
        ("UPDATE runs SET a = 1", "UPDATE runs"),
        ("COPY bars (a) FROM STDIN (FORMAT BINARY)", "COPY bars"),
        ('COPY (SELECT a FROM "bars" WHERE a = 1) TO STDOUT', "COPY bars"),
        ("SET LOCAL idle = 0", "SET"),
        ("", "SQL"),
    ],
)
def test_what_a_statement_is_called(statement: str, called: str) -> None:
    assert summary(statement) == called


def test_the_versions_of_the_how_to_are_the_tested_ones() -> None:
    named = set(re.findall(r"(opentelemetry-[a-z-]+)==([\d.]+)", (PROJECT / "docs/howto/tracing.md").read_text()))
    locked = (BACKEND / "requirements-dev.lock").read_text()
    assert len(named) == 2
    for package, version in named:
        assert f"\n{package}=={version} " in locked
