"""What is measured each minute, for the pictures of the console: memory, busy slots, queues, disk."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator

from app.core.backlog import queue_lengths
from app.core.wiring import Platform, now
from app.errors import StoreUnavailable
from app.store import heartbeats, readings
from app.store.engine import transaction

EVERY = 20.0
"""Seconds between two attempts; the minute's first one counts, whoever makes it."""
MEASURES = {
    "memory": "bytes that a program holds, its pool's processes with it",
    "busy": "slots of a worker that work",
    "waiting": "messages that wait in a queue",
    "disk_free": "bytes free where the data are",
}


def take(platform: Platform) -> int:
    """Measure what can be measured now and write it down; how many values it were.

    Raises:
        StoreUnavailable: PostgreSQL is away.
    """
    with transaction(platform.engine) as connection:
        seen = heartbeats.look(connection)
    measured = [*_of_programs(seen), *_of_queues(platform), *_of_disk(platform)]
    with transaction(platform.engine) as connection:
        return readings.add(connection, measured, at=now())


def _of_programs(seen: heartbeats.Seen) -> Iterator[tuple[str, str, float]]:
    memory: Counter[str] = Counter()
    for one in seen.programs:
        # Without the process id that tells two of a host apart: a line goes on over a restart.
        memory[one.name.partition(":")[0]] += int(one.facts.get("memory") or 0)
        if (busy := one.facts.get("busy")) is not None:
            yield "busy", one.name, float(busy)
    yield from (("memory", name, float(held)) for name, held in memory.items() if held)


def _of_queues(platform: Platform) -> Iterator[tuple[str, str, float]]:
    try:
        lengths = queue_lengths(platform.redis)
    except StoreUnavailable:
        return  # absent is not zero
    for name, by_priority in lengths.items():
        yield "waiting", name, float(sum(by_priority.values()))


def _of_disk(platform: Platform) -> Iterator[tuple[str, str, float]]:
    folder = platform.settings.data_dir
    if folder.exists():
        yield "disk_free", str(folder), float(shutil.disk_usage(folder).free)
