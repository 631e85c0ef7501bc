"""Resizing a worker: by what its pool means to have, and never by taking a process that works."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from celery.concurrency.prefork import TaskPool
from celery.concurrency.solo import TaskPool as Solo
from celery.worker import state as worker_state

from app.ops import worker_control


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
    told = worker_control.resize(one, wanted)
    assert pool.size == becomes
    assert ("ok" in told) == (becomes == wanted)
    assert sum(one.consumer.steps) == becomes - has
    if "error" in told:
        assert f"{has - busy} of its {has} processes are free" in told["error"]


def test_another_pool_says_that_it_cannot() -> None:
    assert "pool of processes" in worker_control.resize(worker(Solo(limit=1)), 2)["error"]
