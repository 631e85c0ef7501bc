"""Sums over the ledger and the data, for metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from sqlalchemy import Connection, func, select, text

from app.store import pruned
from app.store.pruned import BOUNDS
from app.store.tables import COUNTED, FINAL_STATES, quarantine, runs


@dataclass(frozen=True, slots=True)
class RunsOfTask:
    """The runs of a task in one state, with the sums of their counts; None: nobody counted."""

    task: str
    state: str
    runs: int
    rows: Mapping[str, int | None]
    last: datetime | None
    """When the last of them ended."""

    @property
    def final(self) -> bool:
        """Whether the state is one that stays."""
        return self.state in FINAL_STATES


@dataclass(frozen=True, slots=True)
class Durations:
    """How long a task's runs worked: *buckets* are (upper end as text, how many took no longer)."""

    task: str
    buckets: Sequence[tuple[str, float]]
    seconds: float


@dataclass(frozen=True, slots=True)
class NewestSession:
    """The newest session of a dataset and venue of which rows are held."""

    dataset: str
    venue: str
    midnight: datetime
    share: float | None


def runs_by_task(connection: Connection) -> list[RunsOfTask]:
    """Every task and state that there is; with what was pruned of it."""
    sums = [func.sum(runs.c[name]).label(name) for name in COUNTED]
    query = select(
        runs.c.task, runs.c.state, func.count().label("number"), func.max(runs.c.finished_at).label("last"), *sums
    )
    rows = connection.execute(query.group_by(runs.c.task, runs.c.state).order_by(runs.c.task, runs.c.state)).mappings()
    found = {
        (row["task"], row["state"]): RunsOfTask(
            row["task"],
            row["state"],
            row["number"],
            {name: None if row[name] is None else int(row[name]) for name in COUNTED},
            row["last"],
        )
        for row in rows
    }
    for gone in pruned.read(connection):
        key = gone.task, gone.state
        here = found.get(key, RunsOfTask(*key, 0, dict.fromkeys(COUNTED), None))
        rows_of = {name: pruned.both(here.rows[name], gone.rows[name]) for name in COUNTED}
        found[key] = replace(here, runs=here.runs + gone.runs, rows=rows_of)
    return [found[key] for key in sorted(found)]


def last_successes(held: Sequence[RunsOfTask]) -> dict[str, datetime]:
    """Task → when its last SUCCESS ended."""
    return {one.task: one.last for one in held if one.state == "SUCCESS" and one.last is not None}


def durations(connection: Connection) -> list[Durations]:
    """Of the runs that began and ended, by task; with what was pruned of them."""
    query = text("""
        SELECT task, width_bucket(seconds, CAST(:bounds AS numeric[])) AS place, count(*) AS number,
            sum(seconds) AS seconds
        FROM (SELECT task, extract(epoch FROM finished_at - started_at) AS seconds FROM runs
              WHERE started_at IS NOT NULL AND finished_at IS NOT NULL) AS worked
        GROUP BY task, place ORDER BY task, place""")
    found: dict[str, tuple[list[int], Decimal]] = {}
    for row in connection.execute(query, {"bounds": list(BOUNDS)}):
        places, seconds = found.get(row.task, ([0] * (len(BOUNDS) + 1), Decimal()))
        places[row.place] = row.number
        found[row.task] = places, seconds + row.seconds
    for gone in pruned.read(connection):
        if not any(gone.places):
            continue
        places, seconds = found.get(gone.task, ([0] * (len(BOUNDS) + 1), Decimal()))
        together = [here + there for here, there in zip(places, gone.places, strict=True)]
        found[gone.task] = together, seconds + gone.seconds
    return [Durations(task, _cumulative(places), float(seconds)) for task, (places, seconds) in found.items()]


def _cumulative(places: Sequence[int]) -> list[tuple[str, float]]:
    ends = [*map(str, BOUNDS), "+Inf"]
    return [(end, float(sum(places[: number + 1]))) for number, end in enumerate(ends)]


def newest_coverage(connection: Connection) -> list[NewestSession]:
    """Of each dataset and venue."""
    query = text("""
        SELECT DISTINCT ON (dataset, venue) dataset, venue, session::timestamp AT TIME ZONE 'UTC' AS midnight,
            CASE WHEN expected > 0 THEN 1 - (missing + quarantined)::float8 / expected END AS share
        FROM coverage WHERE held > 0 ORDER BY dataset, venue, session DESC""")
    return [NewestSession(row.dataset, row.venue, row.midnight, row.share) for row in connection.execute(query)]


def open_quarantine(connection: Connection) -> list[tuple[str, str, int]]:
    """Dataset, rule and how many rows of it wait."""
    columns = quarantine.c.dataset, quarantine.c.rule
    query = select(*columns, func.count().label("number")).where(quarantine.c.released_at.is_(None))
    return [(row.dataset, row.rule, row.number) for row in connection.execute(query.group_by(*columns))]
