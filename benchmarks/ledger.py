"""What ledger, lease and heartbeats cost a task: ours and bare Celery with the same settings, side by side.

Real worker processes (prefork, two children) on servers of our own, a task that does nothing, acknowledged late. All
messages are sent before the worker starts, so that sending and working are measured apart.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import redis
from sqlalchemy import Engine, text

from benchmarks.claim import Claim
from benchmarks.server import command, database, valkey

TASKS = 2_000
WARM = 50
"""The first tasks are not timed: in them children start."""
ROUNDS = 3
IDLE = 10.0
"""Seconds of the worker without work."""
MOST_TIME, MOST_CPU = 1 / 0.6, 6.0
"""Ours ÷ bare, of the time and of the CPU that a worker needs for a task that does nothing."""
MOST_OF_A_TASK = 0.1
"""What ours adds, of a task that takes 100 ms."""
PROJECT = Path(__file__).resolve().parents[1]
SIDES = {"bare": "benchmarks.bare", "ours": "benchmarks.ours"}


@dataclass
class Side:
    """What was measured of one side, a value a round; all a task but ``idle``, which is a share of one core."""

    sending: list[float] = field(default_factory=list)
    working: list[float] = field(default_factory=list)
    worker_cpu: list[float] = field(default_factory=list)
    postgres_cpu: list[float] = field(default_factory=list)
    valkey_cpu: list[float] = field(default_factory=list)
    idle: list[float] = field(default_factory=list)


@dataclass
class Bench:
    engine: Engine
    queue: redis.Redis
    environment: Mapping[str, str]
    folder: Path
    valkey_pid: int

    def run(self, side: str, *words: str) -> dict[str, Any]:
        """The module of *side* as a program; what it prints."""
        argv = [sys.executable, "-m", SIDES[side], *words]
        done = subprocess.run(argv, env=self.environment, cwd=PROJECT, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(done.stderr)
        return dict(json.loads(done.stdout.strip().splitlines()[-1]))

    def waiting(self) -> int:
        """Messages that wait or are in hand."""
        queues = [key for key in self.queue.keys("data_sync*") if self.queue.type(key) == b"list"]
        return sum(self.queue.llen(key) for key in queues) + self.queue.hlen("unacked")

    @contextmanager
    def worker(self, side: str) -> Iterator[psutil.Process]:
        argv = [sys.executable, "-m", "celery", "-A", SIDES[side], "worker", "--pool", "prefork", "--concurrency", "2"]
        argv += ["--queues", "data_sync", "--loglevel", "INFO", "--hostname", f"{side}@benchmark"]
        with (self.folder / f"{side}.log").open("ab") as log:
            child = subprocess.Popen(argv, env=self.environment, cwd=PROJECT, stdout=log, stderr=log)
        try:
            yield psutil.Process(child.pid)
        finally:
            child.terminate()
            child.wait(60)

    def postgres_cpu(self) -> float:
        with self.engine.connect() as connection:
            home = Path(str(connection.scalar(text("SHOW data_directory"))))
        return _cpu(psutil.Process(int((home / "postmaster.pid").read_text().split()[0])))

    def measure(self, side: str, found: Side, *, number: int) -> None:
        self.queue.flushall()
        command(self.engine, "CHECKPOINT")
        seconds = self.run(side, str(TASKS), str(number * TASKS))["seconds"]
        found.sending.append(seconds / TASKS * 1000)
        with self.worker(side) as worker:
            self._until(lambda left: left <= TASKS - WARM, worker)
            begun, before = time.perf_counter(), self._cpus(worker)
            left = self.waiting()
            self._until(lambda left: left == 0, worker)
            seconds, after = time.perf_counter() - begun, self._cpus(worker)
            found.working.append(seconds / left * 1000)
            for list_, spent in zip(
                (found.worker_cpu, found.postgres_cpu, found.valkey_cpu), map(float.__sub__, after, before), strict=True
            ):
                list_.append(spent / left * 1000)
            time.sleep(2)  # what the end of the work leaves behind: results, connections
            before_idle = sum(self._cpus(worker)[:2])
            time.sleep(IDLE)
            found.idle.append((sum(self._cpus(worker)[:2]) - before_idle) / IDLE * 100)

    def _cpus(self, worker: psutil.Process) -> tuple[float, float, float]:
        return _cpu(worker), self.postgres_cpu(), _cpu(psutil.Process(self.valkey_pid))

    def _until(self, enough: Any, worker: psutil.Process) -> None:
        deadline = time.monotonic() + 300
        while not enough(self.waiting()):
            if time.monotonic() > deadline or not worker.is_running():
                raise SystemExit(f"The worker does not work; its log is {self.folder}.")
            time.sleep(0.02)


def _cpu(process: psutil.Process) -> float:
    """Seconds of CPU of a process and all below it, ended ones included."""
    total = 0.0
    for one in (process, *process.children(recursive=True)):
        try:
            times = one.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system + times.children_user + times.children_system
    return total


def _same_settings() -> str:
    """Our Celery settings as JSON, for the bare side."""
    program = (
        "import json; from app.core.celery_app import app, QUEUES; "
        "names = [n for n in app.conf.changes if n not in "
        "('beat_schedule', 'beat_scheduler', 'task_queues', 'task_routes', 'include', 'task_cls')]; "
        "print(json.dumps({n: app.conf[n] for n in names} | {'queues': QUEUES}, default=str))"
    )
    argv = [sys.executable, "-c", program]
    done = subprocess.run(argv, env=os.environ, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return done.stdout.strip().splitlines()[-1]


@contextmanager
def _bench() -> Iterator[Bench]:
    with tempfile.TemporaryDirectory(prefix="quantlab-bench-") as home, database() as engine, valkey() as (url, pid):
        os.environ.update(
            QUANTLAB_SOURCE="sandbox",
            QUANTLAB_HOME=home,
            DATABASE_URL=engine.url.set(drivername="postgresql").render_as_string(hide_password=False),
            REDIS_URL=url,
            PYTHONPATH=f"{PROJECT}:{PROJECT / 'backend'}",
        )
        os.environ["BENCHMARK_CELERY"] = _same_settings()
        with redis.Redis.from_url(url) as queue:
            yield Bench(engine, queue, dict(os.environ), Path(home), pid)


def main() -> list[Claim]:
    print(f"Ledger, lease and heartbeats: {TASKS:,} empty tasks, prefork with 2 children, medians of {ROUNDS} rounds")
    sides = {name: Side() for name in SIDES}
    with _bench() as bench:
        for number in range(ROUNDS):
            for name, side in sides.items():
                bench.measure(name, side, number=number)
        parts = bench.run("ours", "parts")
        with bench.engine.connect() as connection:
            states = connection.execute(text("SELECT state, count(*) FROM runs GROUP BY 1 ORDER BY 1")).all()
    bare, ours = sides["bare"], sides["ours"]
    median = statistics.median
    print(f"\n  {'':<50}{'bare Celery':>13}{'ours':>13}{'difference':>13}{'ratio':>8}")
    for title, name in (
        ("sending, ms a task", "sending"),
        ("working, ms a task (two children at once)", "working"),
        ("CPU of worker and children, ms a task", "worker_cpu"),
        ("CPU of PostgreSQL, ms a task", "postgres_cpu"),
        ("CPU of Valkey, ms a task", "valkey_cpu"),
        ("idle worker and PostgreSQL, % of a core", "idle"),
    ):
        one, other = median(getattr(bare, name)), median(getattr(ours, name))
        ratio = f"{other / one:.1f}" if one > 0.05 else "–"
        print(f"  {title:<50}{one:>13.2f}{other:>13.2f}{other - one:>13.2f}{ratio:>8}")
    print(f"  {'tasks a second':<50}{1000 / median(bare.working):>13,.0f}{1000 / median(ours.working):>13,.0f}")
    print("\n  What a run of ours has and a bare task has not, ms, alone in one process:")
    for name, cost in parts.items():
        print(f"    {name:<58}{cost:>8.3f}")
    print("  runs in the ledger: " + ", ".join(f"{state} {number:,}" for state, number in states))
    return _claims(bare, ours)


def _claims(bare: Side, ours: Side) -> list[Claim]:
    claims = []
    for title, name, most in (
        ("working, a task: ours ÷ bare Celery", "working", MOST_TIME),
        ("CPU of worker and children, a task: ours ÷ bare Celery", "worker_cpu", MOST_CPU),
    ):
        one, other = (statistics.median(getattr(side, name)) for side in (ours, bare))
        claims.append(Claim(name=title, value=one / other, most=most, ours=f"{one:.2f} ms", beside=f"{other:.2f} ms"))
    added = statistics.median(ours.working) - statistics.median(bare.working)
    title = "what ours adds to a task of 100 ms"
    return [*claims, Claim(name=title, value=added / 100, most=MOST_OF_A_TASK, ours=f"{added:.2f} ms")]
