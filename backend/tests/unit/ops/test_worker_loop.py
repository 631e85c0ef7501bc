"""A worker that turns but takes nothing is told from one that has nothing to take, or is told to stop."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from celery.worker import state

from app.ops.worker_loop import Consumption


class Worker:
    """A consumer as far as it is looked at, and a clock."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, self.waits = 0.0, 1
        self.active: set[str] = set()
        self.reserved: set[str] = set()
        self.finished: Counter[str] = Counter()
        for name, value in {
            "active_requests": self.active,
            "reserved_requests": self.reserved,
            "total_count": self.finished,
            "should_stop": None,
        }.items():
            monkeypatch.setattr(state, name, value)
        consumer = SimpleNamespace(
            app=SimpleNamespace(amqp=SimpleNamespace(queues=SimpleNamespace(consume_from={"q": 1}))),
            pool=SimpleNamespace(num_processes=2),
            controller=SimpleNamespace(concurrency=2),
        )
        self.consumption = Consumption(consumer, waiting=self.waiting, clock=lambda: self.now)

    def waiting(self, queues: Sequence[str]) -> int:
        assert queues == ["q"]
        if self.waits < 0:
            raise ConnectionError
        return self.waits

    def after(self, seconds: float) -> dict[str, Any]:
        self.now += seconds
        return self.consumption.facts()


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> Worker:
    worker = Worker(monkeypatch)
    worker.after(0)  # the first look cannot know what was finished before
    return worker


def test_what_waits_and_is_not_taken_for_a_minute(worker: Worker) -> None:
    assert not worker.after(5)["stuck"]
    assert not worker.after(55)["stuck"]
    facts = worker.after(10)
    assert facts["stuck"]
    assert (facts["slots"], facts["busy"], facts["waiting"], facts["queues"]) == (2, 0, 1, ["q"])
    worker.waits = 0
    assert not worker.after(5)["stuck"]


@pytest.mark.parametrize(
    "fact",
    [
        lambda worker, _: worker.active.add("a task at work"),
        lambda worker, _: worker.reserved.add("a task that waits for its slot, or its time"),
        lambda worker, _: worker.finished.update({"quick": 1}),  # between two looks it did something
        lambda worker, _: setattr(worker, "waits", 0),
        lambda worker, _: setattr(worker, "waits", -1),  # Redis is away, which is not the worker's fault
        lambda _, patch: patch.setattr(state, "should_stop", 0),  # it finishes, and takes nothing new
    ],
)
def test_who_is_not_stuck(
    worker: Worker, monkeypatch: pytest.MonkeyPatch, fact: Callable[[Worker, pytest.MonkeyPatch], None]
) -> None:
    for _ in range(4):
        fact(worker, monkeypatch)
        assert not worker.after(50)["stuck"]
