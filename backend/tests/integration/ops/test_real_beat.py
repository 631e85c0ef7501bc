"""``celery beat`` itself: starts, logs its schedule, hears an operator within seconds, survives without Redis."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.core import schedules
from app.core.wiring import Platform
from app.store import runs
from app.store.engine import transaction
from tests.conftest import PROJECT, wait_until

BEAT = [
    Path(sys.executable).with_name("celery"),
    "-A",
    "app.core.celery_app",
    "beat",
    "--loglevel",
    "INFO",
    "--pidfile=",
]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "beat.log"


@pytest.fixture
def beat(platform: Platform, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output:
        process = subprocess.Popen(
            BEAT, cwd=PROJECT / "backend", env=dict(os.environ), stdout=output, stderr=subprocess.STDOUT
        )
        try:
            yield process
        finally:
            process.terminate()
            process.wait(30)


def test_an_override_is_heard_within_seconds(platform: Platform, beat: subprocess.Popen[bytes], log: Path) -> None:
    schedules._forget_rows()
    wait_until(lambda: "sync-qlib daily 22:30, next" in log.read_text(), within=60, what=f"beat's schedule in {log}")
    schedules.change_schedule("sync-qlib", {"timing": "every 10s"}, by="test")
    changed = time.monotonic()
    wait_until(lambda: "sync-qlib changed: every 10 s" in log.read_text(), within=10, what="the change in the log")
    assert time.monotonic() - changed < 10

    def run_ids() -> list[str]:
        with transaction(platform.engine) as connection:
            return [run.id for run in runs.list_runs(connection) if run.schedule == "sync-qlib"]

    wait_until(run_ids, within=25, what="a run of the changed schedule")
    assert beat.poll() is None
    beat.terminate()
    assert beat.wait(30) == 0
    assert "Traceback" not in log.read_text()
