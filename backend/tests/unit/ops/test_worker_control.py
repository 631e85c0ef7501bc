"""Resizing a worker: by what its pool means to have, and never by taking a process that works."""

from __future__ import annotations

import math
import os
import time
from types import SimpleNamespace
from typing import Any

import pytest
from celery.concurrency.prefork import TaskPool
from celery.concurrency.solo import TaskPool as Solo
from celery.worker import state as worker_state

from app.ops import worker_control

IN_TIME = math.inf


class Pool(TaskPool):
    """Celery's pool of processes, whose processes are only counted."""

    __module__ = TaskPool.__module__

    def __init__(self, size: int) -> None:
        self.size = size

    @property
    def num_processes(self) -> int:
        return self.size

    def grow(self, n: int = 1) -> None:
        self.size += n

    def shrink(self, n: int = 1) -> None:
        self.size -= n


def worker(pool: Any) -> SimpleNamespace:
    steps: list[int] = []
    consumer = SimpleNamespace(
        pool=pool, controller=SimpleNamespace(autoscaler=None), _update_prefetch_count=steps.append, steps=steps
    )
    return SimpleNamespace(consumer=consumer)


@pytest.mark.parametrize(
    ("has", "busy", "wanted", "becomes"),
    [(2, 2, 4, 4), (4, 1, 2, 2), (4, 2, 2, 2), (2, 0, 2, 2), (3, 2, 1, 3), (2, 2, 1, 2)],
)
def test_no_process_that_works_is_taken(
    monkeypatch: pytest.MonkeyPatch, has: int, busy: int, wanted: int, becomes: int
) -> None:
    monkeypatch.setattr(worker_state, "active_requests", set(range(busy)))
    pool = Pool(has)
    one = worker(pool)
    told = worker_control.resize(one, wanted, until=IN_TIME)
    assert pool.size == becomes
    assert ("ok" in told) == (becomes == wanted)
    assert sum(one.consumer.steps) == becomes - has
    if "error" in told:
        assert f"{has - busy} of its {has} processes are free" in told["error"]


def test_another_pool_says_that_it_cannot() -> None:
    assert "pool of processes" in worker_control.resize(worker(Solo(limit=1)), 2, until=IN_TIME)["error"]


@pytest.mark.parametrize(
    ("has", "cores", "free_gib", "most"),
    [(2, 2, 64.0, 8), (2, 2, 1.0, 6), (2, 16, 2.0, 10), (4, 4, 0.1, 4), (1, 1, 64.0, 4)],
)
def test_a_machine_bears_so_many_slots(has: int, cores: int, free_gib: float, most: int) -> None:
    assert worker_control.most_slots(has, cores=cores, free=int(free_gib * 1024**3)) == most


def test_more_slots_than_the_machine_bears_are_refused_with_a_sentence() -> None:
    pool = Pool(2)
    beyond = 4 * (os.cpu_count() or 1) + 1
    told = worker_control.resize(worker(pool), beyond, until=IN_TIME)
    assert "this machine bears at most" in told["error"]
    assert pool.size == 2


def test_a_command_that_comes_too_late_is_not_obeyed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_state, "should_stop", None)
    pool = Pool(2)
    one = worker(pool)
    late = time.time() - 1
    told = [
        worker_control.drain(one, until=late),
        worker_control.resume(one, until=late),
        worker_control.resize(one, 3, until=late),
        worker_control.restart(one, until=late),
    ]
    assert ["too late" in one["error"] for one in told] == [True] * 4
    assert (worker_control.is_draining(), pool.size, worker_state.should_stop) == (False, 2, None)
    assert "ok" in worker_control.restart(one, until=IN_TIME)
    assert worker_state.should_stop == 0
