"""What an operator tells a real worker: it drains, takes again, changes its size, starts anew, and loses nothing."""

from __future__ import annotations

import contextlib
import json
import subprocess
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.acceptance.conftest import BACKEND, BIN, Platform
from tests.conftest import wait_until

pytestmark = pytest.mark.timeout(180)


def quantlab(platform: Platform, *words: str) -> str:
    done = platform.run(str(BIN / "quantlab"), *words)
    assert done.returncode == 0, done.stderr
    return done.stdout


def worker(platform: Platform) -> dict[str, Any]:
    (only,) = json.loads(quantlab(platform, "workers", "--json"))
    found: dict[str, Any] = only
    return found


def state_of(platform: Platform, run_id: str) -> str:
    ((state,),) = platform.rows("SELECT state FROM runs WHERE id = %s", [run_id])
    return str(state)


@pytest.mark.long
def test_a_drained_worker_takes_nothing_until_it_resumes(platform: Platform) -> None:
    name = worker(platform)["name"]
    assert "data_sync" in quantlab(platform, "workers", "drain", name)
    try:
        wait_until(lambda: worker(platform)["facts"]["draining"], within=30)
        run_id = platform.call("app.tasks.cleanup_old_cache")
        # One that still took messages would have done so by its next sign of life.
        last = worker(platform)["seen_at"]
        wait_until(lambda: worker(platform)["seen_at"] != last, within=30)
        assert state_of(platform, run_id) == "QUEUED"
        listed = quantlab(platform, "workers")
        assert "nothing: draining" in listed
    finally:
        quantlab(platform, "workers", "resume", name)
    assert platform.run_of(run_id)["state"] == "SUCCESS"
    wait_until(
        lambda: worker(platform)["facts"]["queues"] == ["backfill", "data_sync", "export", "maintenance"], within=30
    )


def test_its_size_changes(platform: Platform) -> None:
    one = worker(platform)
    more = one["facts"]["slots"] + 1
    quantlab(platform, "workers", "resize", one["name"], str(more))
    wait_until(lambda: worker(platform)["facts"]["slots"] == more, within=30)
    quantlab(platform, "workers", "resize", one["name"], str(more - 1))
    wait_until(lambda: worker(platform)["facts"]["slots"] == more - 1, within=30)


def test_a_restart_loses_nothing(platform: Platform) -> None:
    before = worker(platform)
    run_id = platform.call("app.tasks.sync_daily_prices", days=20)
    wait_until(lambda: state_of(platform, run_id) == "STARTED", within=30)
    quantlab(platform, "workers", "restart", before["name"])
    waiting = platform.call("app.tasks.sync_stock_list")
    run = platform.run_of(run_id)
    assert run["state"] == "SUCCESS"
    assert platform.run_of(waiting)["state"] == "SUCCESS"
    wait_until(lambda: worker(platform)["pid"] != before["pid"], within=60)


@contextlib.contextmanager
def supervised_worker(platform: Platform, name: str) -> Iterator[None]:
    """A worker of that name, started again whenever it ends."""
    celery = [str(BIN / "celery"), "-A", "app.core.celery_app", "worker", "-n", name, "-c", "1"]
    over, child = threading.Event(), [None]

    def supervise() -> None:
        while not over.is_set():
            child[0] = subprocess.Popen(  # type: ignore[call-overload]
                celery,
                cwd=BACKEND,
                env=platform.environment,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            child[0].wait()

    thread = threading.Thread(target=supervise)
    thread.start()
    try:
        yield
    finally:
        over.set()
        child[0].terminate()
        thread.join(60)


@pytest.mark.long
@pytest.mark.timeout(400)
def test_all_restart_one_at_a_time_and_lose_nothing(platform: Platform) -> None:
    def living() -> dict[str, dict[str, Any]]:
        return {one["name"]: one for one in json.loads(quantlab(platform, "workers", "--json"))}

    with supervised_worker(platform, "second@here"):
        wait_until(lambda: len(living()) == 2, within=90, what="the second worker")
        before = living()
        ids = [platform.call("app.tasks.sync_daily_prices", days=days) for days in (20, 21, 22)]
        wait_until(lambda: "STARTED" in {state_of(platform, one) for one in ids}, within=30)
        done = platform.run(str(BIN / "quantlab"), "workers", "restart", "--all", within=300)
        assert done.returncode == 0, done.stderr
        said = [line.split()[0] for line in done.stdout.splitlines()]
        assert said == [name for name in sorted(before) for _ in ("told", "back")]
        after = living()
        assert all(after[name]["pid"] != before[name]["pid"] for name in before)
        first, second = (after[name]["started_at"] for name in sorted(before))
        assert first < second
        assert {platform.run_of(one, within=120)["state"] for one in ids} == {"SUCCESS"}
    wait_until(lambda: "second@here" not in living(), within=60)
    wrong = platform.run(str(BIN / "quantlab"), "workers", "restart")
    assert wrong.returncode == 2
    assert "say --all" in wrong.stderr


def test_a_name_that_no_worker_has(platform: Platform) -> None:
    done = platform.run(str(BIN / "quantlab"), "workers", "drain", "celery@nowhere")
    assert done.returncode == 2
    assert "No worker 'celery@nowhere' answers" in done.stderr


def test_readings_are_taken_without_a_page_open(platform: Platform) -> None:
    def measures() -> set[tuple[str, str]]:
        return {(measure, subject) for measure, subject in platform.rows("SELECT measure, subject FROM readings")}

    wait_until(lambda: {"memory", "busy", "waiting", "disk_free"} <= {one for one, _ in measures()}, within=60)
    programs = {subject.partition("@")[0] for measure, subject in measures() if measure == "memory"}
    assert {"celery", "beat", "web"} <= programs
    ((least,),) = platform.rows("SELECT min(value) FROM readings WHERE measure = 'memory'")
    assert least > 20 * 2**20  # a Python process with our libraries is no smaller
