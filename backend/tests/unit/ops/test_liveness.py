"""Alive, idle, busy, wedged, dead and unknown, told apart by heartbeats alone."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import Any

import psutil
import pytest

from app.errors import StoreUnavailable
from app.ops.health import Level
from app.ops.identity import machine
from app.ops.liveness import Condition, check_canary, check_programs, tell
from app.store.heartbeats import Canary, Heartbeat, Seen

NOW = datetime(2026, 11, 23, tzinfo=UTC)
ME = {"machine": machine(), "born": psutil.Process().create_time()}


def beat(kind: str = "worker", *, age: float = 1.0, name: str = "", pid: int = 1, **facts: Any) -> Heartbeat:
    facts = {"machine": "elsewhere", "loop_age": 0.5, **facts}
    return Heartbeat(kind, name or f"{kind}@elsewhere", "elsewhere", pid, NOW, NOW, age, facts)


def seen(*programs: Heartbeat, canaries: tuple[Canary, ...] = (), server_age: float = 1e6) -> Seen:
    return Seen(programs, canaries, server_age)


UNANSWERED = (Canary("data_sync", 70.0, answered=False, latency=0.1, worker=None),)
SLOTS = {"slots": 2, "queues": ["data_sync"]}


@pytest.mark.parametrize(
    ("one", "look", "condition"),
    [
        (beat(busy=0, **SLOTS), {}, Condition.IDLE),
        (beat(busy=1, **SLOTS), {}, Condition.ALIVE),
        (beat(busy=2, **SLOTS), {}, Condition.BUSY),
        (beat("beat"), {}, Condition.ALIVE),
        (beat("beat", loop_age=61.0), {}, Condition.WEDGED),
        (beat(busy=2, loop_age=61.0, **SLOTS), {}, Condition.WEDGED),
        (beat(busy=0, stuck=True, **SLOTS), {}, Condition.WEDGED),
        # Idle, a canary waits in its queue all the while: it turns and does not consume.
        (beat(busy=0, waiting=1, **SLOTS), {"canaries": UNANSWERED}, Condition.WEDGED),
        # The canary was purged; or belongs to a queue that is another's; or waits for a worker that has work.
        (beat(busy=0, waiting=0, **SLOTS), {"canaries": UNANSWERED}, Condition.IDLE),
        (beat(busy=0, waiting=1, slots=2, queues=["export"]), {"canaries": UNANSWERED}, Condition.IDLE),
        (beat(busy=2, waiting=1, **SLOTS), {"canaries": UNANSWERED}, Condition.BUSY),
        (beat(busy=0, age=31.0, **SLOTS), {}, Condition.DEAD),
        # PostgreSQL has only just come back: nobody could renew anything.
        (beat(busy=0, age=31.0, **SLOTS), {"server_age": 4.0}, Condition.UNKNOWN),
        # On this machine the process itself is looked for, so its death shows at once; a pid given anew is not it.
        (beat(busy=0, pid=os.getpid(), **SLOTS, **ME), {}, Condition.IDLE),
        (beat(busy=0, pid=2**22 + 1, **SLOTS, **ME), {}, Condition.DEAD),
        (beat(busy=0, pid=os.getpid(), **SLOTS, machine=machine(), born=1.0), {}, Condition.DEAD),
    ],
)
def test_conditions(one: Heartbeat, look: dict[str, Any], condition: Condition) -> None:
    assert tell(one, seen(one, **look)) is condition


def level(kind: str, *programs: Heartbeat) -> Level:
    return check_programs(lambda: seen(*programs), kind).level


def test_levels() -> None:
    idle, dead = beat(busy=0, **SLOTS), beat(busy=0, age=99.0, name="worker@b", **SLOTS)
    assert level("worker", idle) is Level.OK
    assert level("worker", idle, dead) is Level.WARNING
    assert level("worker", dead) is Level.ERROR
    assert level("worker") is Level.ERROR
    assert level("beat", idle) is Level.ERROR  # a worker is no beat
    assert level("web") is Level.UNKNOWN


def test_two_beats_are_fine_and_counted() -> None:
    found = check_programs(lambda: seen(beat("beat", name="beat@a:1"), beat("beat", name="beat@b:2")), "beat")
    assert found.level is Level.OK
    assert found.detail == "2 run, which is as good as one: beat@a:1 is alive; beat@b:2 is alive."


def test_a_dead_and_a_wedged_one_are_said_with_their_figures() -> None:
    dead, stuck = beat(age=99.0, name="a"), beat(name="b", busy=0, waiting=7, stuck=True, **SLOTS)
    still = beat(name="c", loop_age=75.0, busy=1, **SLOTS)
    detail = check_programs(lambda: seen(dead, stuck, still), "worker").detail
    assert "a is dead, last seen 99 s ago" in detail
    assert "b is wedged: it takes nothing, and 7 wait in its queues" in detail
    assert "c is wedged: its main loop stands still for 75 s" in detail


def test_without_postgresql_nobody_knows() -> None:
    def away() -> Seen:
        raise StoreUnavailable("PostgreSQL is away.")

    for found in (check_programs(away, "worker"), check_programs(away, "beat"), check_canary(away)):
        assert found.level is Level.UNKNOWN


@pytest.mark.parametrize(
    ("canary", "worker", "level"),
    [
        (Canary("q", 3.0, answered=True, latency=0.02, worker="w"), {"busy": 0}, Level.OK),
        (Canary("q", 3.0, answered=False, latency=0.02, worker="w"), {"busy": 0}, Level.OK),  # on its way
        (Canary("q", 61.0, answered=False, latency=0.02, worker="w"), {"busy": 0}, Level.ERROR),
        (Canary("q", 61.0, answered=False, latency=0.02, worker="w"), {"busy": 2}, Level.WARNING),
        (Canary("q", 400.0, answered=True, latency=0.02, worker="w"), {"busy": 0}, Level.WARNING),  # no beat
        (Canary("q", None, answered=False, latency=None, worker=None), {"busy": 0}, Level.UNKNOWN),  # withdrawn
    ],
)
def test_canary(canary: Canary, worker: dict[str, int], level: Level) -> None:
    found = check_canary(lambda: seen(beat(slots=2, queues=["q"], **worker), canaries=(canary,)))
    assert found.level is level


def test_no_canary_yet() -> None:
    assert check_canary(lambda: seen(beat(busy=0, **SLOTS))).level is Level.UNKNOWN
