"""What runs that were pruned come to: a counter of the metrics must never go back, or its readers take it for new.

Kept beside the heartbeats, a row a task and state, in the transaction that removes the runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from sqlalchemy import Connection, bindparam, text
from sqlalchemy.dialects.postgresql import JSONB

from app.store.heartbeats import PRUNED

BOUNDS = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0)
"""Seconds; the upper ends of the buckets into which durations are sorted."""

_WRITE = text(
    "INSERT INTO heartbeats (kind, name, host, pid, started_at, seen_at, facts) "
    "VALUES (:kind, :name, '', 0, clock_timestamp(), clock_timestamp(), :facts) "
    "ON CONFLICT (kind, name) DO UPDATE SET facts = excluded.facts, seen_at = excluded.seen_at"
).bindparams(bindparam("facts", type_=JSONB))


@dataclass(frozen=True, slots=True)
class Sums:
    """Of a task's runs in one state: how many, their counts (None: nobody counted), and how long they worked."""

    task: str
    state: str
    runs: int
    rows: Mapping[str, int | None]
    places: Sequence[int]
    """How many took so long, by the bucket of BOUNDS; one more for what took longer than all."""
    seconds: float

    def and_more(self, other: Sums) -> Sums:
        """Both together."""
        rows = {name: both(value, other.rows[name]) for name, value in self.rows.items()}
        places = [mine + theirs for mine, theirs in zip(self.places, other.places, strict=True)]
        return Sums(self.task, self.state, self.runs + other.runs, rows, places, self.seconds + other.seconds)


def add(connection: Connection, gone: Sequence[Sums]) -> None:
    """Add what was just removed. One at a time: the turn ends with the transaction."""
    connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:kind, 7))"), {"kind": PRUNED})
    known = {(one.task, one.state): one for one in read(connection)}
    for one in gone:
        before = known.get((one.task, one.state))
        facts = asdict(one if before is None else before.and_more(one))
        connection.execute(_WRITE, {"kind": PRUNED, "name": f"{one.task} {one.state}", "facts": facts})


def read(connection: Connection) -> list[Sums]:
    """All that was ever removed, by task and state."""
    found = connection.execute(text("SELECT facts FROM heartbeats WHERE kind = :kind ORDER BY name"), {"kind": PRUNED})
    return [Sums(**row.facts) for row in found]


def both(one: int | None, other: int | None) -> int | None:
    """Their sum, where None is a count that nobody took."""
    return other if one is None else one if other is None else one + other
