from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from loguru import logger
from typer.testing import CliRunner, Result

from app.cli.main import app
from app.core import wiring
from app.core.celery_app import app as celery
from app.core.config import get_settings
from app.core.watching import make_pulse
from app.core.wiring import Platform
from app.ops.pulse import Pulse
from app.store import heartbeats
from app.store.engine import transaction
from tests.conftest import wait_until

QUANTLAB = Path(sys.executable).with_name("quantlab")


@pytest.fixture
def run(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run a command in this process, on a wide terminal."""
    logger.remove()  # what an earlier test of this process set up writes to a terminal that is gone
    monkeypatch.setenv("COLUMNS", "200")
    runner = CliRunner()
    return lambda *words: runner.invoke(app, list(words))


@pytest.fixture
def quantlab(platform: Platform) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run the installed program, as a person or a script does."""

    def program(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [QUANTLAB, *words], env=dict(os.environ), capture_output=True, text=True, timeout=60, check=False
        )

    return program


@pytest.fixture
def levels(request: pytest.FixtureRequest) -> Iterator[dict[str, list[str]]]:
    """Check → what the doctor found of it, in the order of asking.

    A test that ``breaks`` a check must have found it not well, and well at last: so is proved what the mark claims.
    """
    found: dict[str, list[str]] = defaultdict(list)
    yield found
    for mark in request.node.iter_markers("breaks"):
        for name in mark.args:
            assert {"warning", "error"} & set(found[name]), f"{name} was never found broken: {found[name]}"
            assert found[name][-1] == "ok", f"{name} was not mended: {found[name]}"


@pytest.fixture
def told(run: Callable[..., Result], levels: dict[str, list[str]]) -> Callable[[str], Any]:
    """What the doctor says of one thing: its level, and all that it says. The exit code must fit."""

    def ask(name: str) -> Any:
        result = run("doctor", "--json", "--check", name)
        (one,) = json.loads(result.output)["findings"]
        assert result.exit_code == (1 if one["level"] == "error" else 0)
        assert one["level"] in ("ok", "unknown") or one["remedy"], one
        levels[name].append(one["level"])
        return SimpleNamespace(level=one["level"], says=f"{one['detail']} → {one['remedy']}")

    return ask


@pytest.fixture
def turn(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Platform]:
    """Change settings, as who starts a program with other ones."""

    def settings(**values: str) -> Platform:
        for name, value in values.items():
            monkeypatch.setenv(name, value)
        get_settings.cache_clear()
        wiring.reset_platform()
        celery._pool = celery.amqp._producer_pool = None
        return wiring.get_platform()

    return settings


@pytest.fixture
def pulses() -> Iterator[Callable[..., Pulse]]:
    """Start pulses of this process under any name; they end with the test."""
    with ExitStack() as at_end:

        def start(kind: str, name: str, **facts: Any) -> Pulse:
            pulse = make_pulse(kind, name, lambda: facts)
            at_end.callback(pulse.stop)
            pulse.start()
            wait_until(lambda: name in [one.name for one in seen().programs], what=f"the pulse of {name}")
            return pulse

        yield start


def seen() -> heartbeats.Seen:
    with transaction(wiring.get_platform().engine) as connection:
        return heartbeats.look(connection)


@contextmanager
def real_worker(folder: Path, log: Path, *words: str, environment: Mapping[str, str] | None = None) -> Iterator[str]:
    """A worker of one process that runs the code in *folder*, until the block ends; its name."""
    name = "w@here"
    argv = [sys.executable, "-m", "celery", "-A", "app.core.celery_app", "worker", "-c", "1", "-n", name]
    argv += ["--without-mingle", "--without-gossip", *words]
    with log.open("wb") as output:
        child = subprocess.Popen(
            argv, cwd=folder, env={**os.environ, **(environment or {})}, stdout=output, stderr=output
        )
    try:
        wait_until(lambda: [one.name for one in seen().programs] == [name], within=60, what="the worker")
        yield name
    finally:
        child.send_signal(signal.SIGTERM)
        child.wait(30)
