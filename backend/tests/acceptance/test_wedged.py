"""Programs that freeze come back by themselves under ``quantlab up``: each is there, runs no more, and says nothing."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from tests.acceptance.up import Up
from tests.conftest import wait_until

pytestmark = pytest.mark.timeout(400)
FROZEN = ("worker", "beat", "web", "valkey")
BACK_WITHIN = 120.0
"""Seconds: a minute without a sign of life, and what each needs to start."""


@pytest.fixture
def up(server_folder: Path, tmp_path: Path) -> Iterator[Up]:
    up = Up(server_folder / "wedged", tmp_path / "up.log")
    try:
        up.wait_until_ready()
        yield up
    finally:
        up.stop()


def pids(up: Up) -> dict[str, int]:
    return {name: process.pid for name, process in up.programs().items()}


def conditions(up: Up) -> set[str]:
    with psycopg.connect(up.environment()["DATABASE_URL"]) as connection:
        rows = connection.execute("SELECT kind FROM heartbeats WHERE seen_at > clock_timestamp() - interval '8 s'")
        return {kind for (kind,) in rows}


@pytest.mark.long
def test_what_freezes_comes_back(up: Up) -> None:
    wait_until(lambda: conditions(up) >= {"worker", "beat", "web"}, what="the first heartbeats")
    before = pids(up)
    for name in FROZEN:
        process = psutil.Process(before[name])
        for one in [process, *process.children(recursive=True)]:
            one.send_signal(signal.SIGSTOP)
    start = time.monotonic()
    wait_until(
        lambda: all(pids(up).get(name, before[name]) != before[name] for name in FROZEN),
        within=BACK_WITHIN,
        what="the restart of what was frozen",
    )
    wait_until(
        lambda: conditions(up) >= {"worker", "beat", "web"},
        within=BACK_WITHIN - (time.monotonic() - start),
        what="their heartbeats",
    )
    said = up.said()
    for name in FROZEN:
        assert f"{name} (pid {before[name]}) has given no sign of life" in said
    # Nobody else was taken for dead meanwhile.
    assert {name: pid for name, pid in pids(up).items() if name not in FROZEN}.items() <= before.items()
