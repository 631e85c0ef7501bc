"""A real web server on loopback over a seeded database, and the client that asks it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from quantlab_client import QuantLab

from app.core.wiring import Platform
from tests.conftest import PROJECT, wait_until


@pytest.fixture
def url(seeded: Platform, free_port: Callable[[], int], tmp_path: Path) -> Iterator[str]:
    """The address of a uvicorn of our own."""
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "app.main:app", "--port", str(port), "--no-access-log"]
    with (tmp_path / "web.log").open("wb") as log:
        server = subprocess.Popen(command, cwd=PROJECT / "backend", env=dict(os.environ), stdout=log, stderr=log)

    def answers() -> bool:
        assert server.poll() is None, (tmp_path / "web.log").read_text()
        try:
            return httpx.get(f"http://localhost:{port}/health/live", timeout=10).is_success
        except httpx.TransportError:
            return False

    try:
        wait_until(answers, within=60, what="the web")
        yield f"http://localhost:{port}"
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(timeout=30)


@pytest.fixture
def lab(url: str) -> Iterator[QuantLab]:
    """A client of it."""
    with QuantLab(url) as made:
        yield made
