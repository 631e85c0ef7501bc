"""What runs that were pruned come to: a counter of the metrics must never go back, or its readers take it for new.

A row a task and state, added to in the transaction that removes the runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Delete, func, select, text
from sqlalchemy.dialects.postgresql import array, insert

from app.store.tables import COUNTED, pruned_runs, runs

BOUNDS = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0)
"""Seconds; the upper ends of the buckets into which durations are sorted."""


@dataclass(frozen=True, slots=True)
class Sums:
    """Of a task's runs in one state: how many, their counts (None: nobody counted), and how long they worked."""

    task: str
    state: str
    runs: int
    rows: Mapping[str, int | None]
    places: Sequence[int]
    """How many took so long, by the bucket of BOUNDS; one more for what took longer than all."""
    seconds: Decimal
    """Exact: a sum of floats may come out smaller in another order, and a counter would go back."""


def remove(connection: Connection, gone: Delete) -> int:
    """Remove runs by that statement, and add what they come to; how many it were."""
    seconds = func.extract("epoch", runs.c.finished_at - runs.c.started_at).label("seconds")
    cte = gone.returning(runs.c.task, runs.c.state, seconds, *(runs.c[name] for name in COUNTED)).cte("gone")
    place = func.width_bucket(cte.c.seconds, text(f"ARRAY{list(BOUNDS)}::numeric[]"))
    found = connection.execute(
        select(
            cte.c.task,
            cte.c.state,
            func.count().label("runs"),
            *(func.sum(cte.c[name]).label(name) for name in COUNTED),
            array([func.count().filter(place == number) for number in range(len(BOUNDS) + 1)]).label("places"),
            func.coalesce(func.sum(cte.c.seconds), 0).label("seconds"),
        ).group_by(cte.c.task, cte.c.state)
    ).mappings()
    sums = [dict(row) for row in found]
    if sums:
        connection.execute(_ADD, sums)
    return sum(row["runs"] for row in sums)


def read(connection: Connection) -> list[Sums]:
    """All that was ever removed, by task and state."""
    rows = connection.execute(select(pruned_runs).order_by(pruned_runs.c.task, pruned_runs.c.state)).mappings()
    return [
        Sums(
            row["task"],
            row["state"],
            row["runs"],
            {name: row[name] for name in COUNTED},
            row["places"],
            row["seconds"],
        )
        for row in rows
    ]


def both(one: int | None, other: int | None) -> int | None:
    """Their sum, where None is a count that nobody took."""
    return other if one is None else one if other is None else one + other


def _add() -> Any:
    new = insert(pruned_runs)
    here, more = pruned_runs.c, new.excluded
    counts = {name: func.coalesce(here[name] + more[name], here[name], more[name]) for name in COUNTED}
    places = text(
        "ARRAY(SELECT a + b FROM unnest(pruned_runs.places, excluded.places) WITH ORDINALITY AS p(a, b, n) ORDER BY n)"
    )
    return new.on_conflict_do_update(
        index_elements=["task", "state"],
        set_={"runs": here.runs + more.runs, "places": places, "seconds": here.seconds + more.seconds, **counts},
    )


_ADD = _add()
