"""Catching up on a running platform: exactly what is missing, also when the whole worker is killed at 60 %."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from typing import Any

import httpx
import psutil
import psycopg
import pytest

from tests.acceptance.conftest import Platform
from tests.conftest import wait_until

DAYS = "12"


@pytest.fixture(autouse=True)
def _only_by_hand(platform: Platform) -> Iterator[None]:
    """Nothing is caught up by itself meanwhile, should the clock pass seven minutes past the hour."""
    platform.run("quantlab", "catch-up", "pause")
    yield
    platform.run("quantlab", "catch-up", "resume")


def catch_up(platform: Platform) -> dict[str, Any]:
    done = platform.run("quantlab", "catch-up", "run", "--days", DAYS, "--json", within=120)
    assert done.returncode == 0, (done.stdout, done.stderr)
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def asked(platform: Platform) -> int:
    """Requests of daily bars that the sandbox has seen since last asked."""
    control = platform.up.environment()["TWSE_URL"].rsplit("/", 1)[0]
    counts = httpx.get(f"{control}/_requests").json()["counts"]
    httpx.delete(f"{control}/_requests").raise_for_status()
    return sum(number for site in ("twse", "tpex") for number in counts.get(site, {}).values())


def lose(platform: Platform, sessions: int) -> list[Any]:
    """As if the platform had been off on its newest sessions, the last of which is promised to be held by now."""
    with psycopg.connect(platform.up.environment()["DATABASE_URL"]) as connection:
        lost = connection.execute(
            "SELECT DISTINCT session FROM bars WHERE session < current_date ORDER BY 1 DESC LIMIT %s", [sessions]
        ).fetchall()
        connection.execute("DELETE FROM bars WHERE session = ANY(%s)", [[day for (day,) in lost]])
    return lost


@pytest.mark.long
def test_three_sessions_off_are_fetched_once(platform: Platform) -> None:
    catch_up(platform)
    lose(platform, 3)
    asked(platform)

    plan = json.loads(platform.run("quantlab", "catch-up", "plan", "--days", DAYS, "--json").stdout)
    assert sum(step["requests"] for step in plan["steps"]) == 6
    told = catch_up(platform)
    assert told["state"] == "SUCCESS"
    assert asked(platform) == 6
    assert catch_up(platform)["state"] == "SKIPPED"
    assert asked(platform) == 0


@pytest.mark.long
def test_killed_at_60_percent_only_the_rest_is_fetched(platform: Platform) -> None:
    catch_up(platform)
    lost = lose(platform, 5)
    asked(platform)
    run_id = platform.run("quantlab", "catch-up", "run", "--days", DAYS, "--no-wait").stdout.strip()

    def done() -> int:
        return int(platform.rows("SELECT count(*) FROM units WHERE run_id = %s", [run_id])[0][0])

    wait_until(lambda: done() >= 6, what="six of ten units")
    worker = psutil.Process(platform.rows("SELECT pid FROM heartbeats WHERE kind = 'worker'")[0][0])
    for process in [worker, *worker.children(recursive=True)]:
        os.kill(process.pid, signal.SIGKILL)
    if done() == 2 * len(lost):
        pytest.skip("it was faster than the kill")

    run = platform.run_of(run_id, within=60)
    assert (run["state"], run["attempts"]) == ("SUCCESS", 2), run
    assert done() == 10
    assert asked(platform) <= 11  # the unit in hand may have been asked for twice, no other
    rows = platform.rows("SELECT count(*) FROM bars WHERE session = ANY(%s)", [[day for (day,) in lost]])[0][0]
    assert rows == run["stored"]
