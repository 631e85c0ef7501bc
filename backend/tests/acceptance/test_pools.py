"""Workers with other pools beside the platform's own: gevent at 1,000, and what the time limits do."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis

from tests.acceptance.conftest import BACKEND, BIN, Platform
from tests.conftest import wait_until

pytestmark = pytest.mark.timeout(180)


@contextmanager
def worker(platform: Platform, log: Path, *options: str) -> Iterator[None]:
    """A worker of the extra tasks, on a queue of its own."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            [BIN / "celery", "-A", "tests.acceptance.extra_tasks", "worker", "-Q", "extra", "-n", "extra@%h", *options],
            cwd=BACKEND,
            env=platform.environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_until(lambda: b"ready" in log.read_bytes(), within=60, what="the extra worker's ready line")
        yield
    finally:
        process.terminate()
        process.wait(60)


def send(platform: Platform, task: str, count: int = 1, *, priority: int = 5, **kwargs: float) -> None:
    script = (
        "from tests.acceptance import extra_tasks as t\n"
        f"for _ in range({count}): t.{task}.apply_async(kwargs={kwargs!r}, queue='extra', "
        f"priority={priority}, headers={{'force': True}})\n"
    )
    done = platform.run(str(BIN / "python"), "-c", script, within=90)
    assert done.returncode == 0, done.stderr


@pytest.mark.long
def test_gevent_at_1000_loses_no_acknowledgement(platform: Platform, tmp_path: Path) -> None:
    send(platform, "nap", 1000, seconds=1.0)
    with worker(platform, tmp_path / "gevent.log", "--pool=gevent", "--concurrency=1000"):
        wait_until(
            lambda: (
                platform.rows("SELECT count(*) FROM runs WHERE task = 'app.tasks.nap' AND finished_at IS NOT NULL")
                == [(1000,)]
            ),
            within=120,
            what="the end of 1,000 naps",
        )
        with redis.Redis.from_url(platform.up.environment()["REDIS_URL"]) as client:
            # Other messages may stand there: those of a worker that an earlier test killed.
            wait_until(
                lambda: not [kept for kept in client.hvals("unacked") if b"app.tasks.nap" in kept],
                what="every acknowledgement",
            )
    states = platform.rows("SELECT state, attempts, count(*) FROM runs WHERE task = 'app.tasks.nap' GROUP BY 1, 2")
    assert states == [("SUCCESS", 1, 1000)]


def test_time_limits_end_in_a_clear_state(platform: Platform, tmp_path: Path) -> None:
    with worker(platform, tmp_path / "limits.log", "--concurrency=2"):
        send(platform, "hang")
        send(platform, "linger")
        wait_until(
            lambda: (
                platform.rows(
                    "SELECT count(*) FROM runs WHERE task IN ('app.tasks.hang', 'app.tasks.linger') "
                    "AND finished_at IS NOT NULL"
                )
                == [(2,)]
            ),
            within=60,
            what="the end of both tasks",
        )
    ended = platform.rows(
        "SELECT task, state, error_type FROM runs WHERE task IN ('app.tasks.hang', 'app.tasks.linger') ORDER BY task"
    )
    assert ended == [
        ("app.tasks.hang", "FAILED", "TimeLimitExceeded"),
        ("app.tasks.linger", "FAILED", "SoftTimeLimitExceeded"),
    ]


@pytest.mark.long
def test_a_task_that_kills_its_process_ends_as_failed_after_four_of_them(platform: Platform, tmp_path: Path) -> None:
    with worker(platform, tmp_path / "die.log", "--concurrency=1"):
        send(platform, "die")
        wait_until(
            lambda: (
                platform.rows("SELECT state, error_type, attempts, losses FROM runs WHERE task = 'app.tasks.die'")
                == [("FAILED", "WorkerLost", 4, 4)]
            ),
            within=120,
            what="the end of a task that kills its process",
        )


@pytest.mark.long
def test_backfill_makes_room_for_fresh_data(platform: Platform, tmp_path: Path) -> None:
    """One process, taken by backfill: what is fresher need not wait for its end."""
    with worker(platform, tmp_path / "room.log", "--concurrency=1"):
        send(platform, "dig", priority=1, parts=100)
        wait_until(lambda: state_of(platform, "dig") == "STARTED", within=30, what="the backfill's start")
        send(platform, "nap", priority=5, seconds=0.0)
        wait_until(lambda: state_of(platform, "nap") == "SUCCESS", within=30, what="the fresh run's end")
        assert state_of(platform, "dig") in ("QUEUED", "STARTED")
        wait_until(lambda: state_of(platform, "dig") == "SUCCESS", within=60, what="the backfill's end")
    ((attempts, losses),) = platform.rows("SELECT attempts, losses FROM runs WHERE task = 'app.tasks.dig'")
    assert (attempts, losses) == (2, 0)


@pytest.mark.long
def test_a_worker_that_stops_gives_back_what_it_has_in_hand(platform: Platform, tmp_path: Path) -> None:
    send(platform, "dig", parts=60)
    with worker(platform, tmp_path / "stops.log", "--concurrency=1"):
        wait_until(lambda: state_of(platform, "dig") == "STARTED", within=30, what="its start")
    assert state_of(platform, "dig") == "QUEUED", "it finishes the part in hand, not the task"
    with worker(platform, tmp_path / "goes-on.log", "--concurrency=1"):
        wait_until(lambda: state_of(platform, "dig") == "SUCCESS", within=60, what="its end in another worker")
    assert platform.rows(
        "SELECT losses FROM runs WHERE id = (SELECT id FROM runs ORDER BY queued_at DESC LIMIT 1)"
    ) == [(0,)]


def state_of(platform: Platform, task: str) -> str:
    """The state of the newest run of the task."""
    rows = platform.rows(f"SELECT state FROM runs WHERE task = 'app.tasks.{task}' ORDER BY queued_at DESC LIMIT 1")
    return str(rows[0][0]) if rows else ""
