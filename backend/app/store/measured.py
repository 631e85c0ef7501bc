"""Sums over the ledger and the data, for metrics; what grows without end is summed as it comes, and not here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select, text

from app.store.tables import FINAL_STATES, SUMMED, UNFINISHED, quarantine, run_totals, runs

BOUNDS = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0)
"""Seconds; the upper ends of the histogram's buckets, as the function count_ended_run in the database has them."""


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
    """Every task and state that there is. What has ended is counted as it ends, so that this reads no ledger."""
    sums = [func.sum(run_totals.c[name]).label(name) for name in SUMMED]
    ended = select(
        run_totals.c.task,
        run_totals.c.state,
        func.sum(run_totals.c.runs).label("number"),
        func.max(run_totals.c.last_at).label("last"),
        *sums,
    ).group_by(run_totals.c.task, run_totals.c.state)
    under_way = (
        select(runs.c.task, runs.c.state, func.count().label("number"))
        .where(text(UNFINISHED))
        .group_by(runs.c.task, runs.c.state)
    )
    found = [
        RunsOfTask(
            row["task"],
            row["state"],
            int(row["number"]),
            {name: None if row[name] is None else int(row[name]) for name in SUMMED},
            row["last"],
        )
        for row in connection.execute(ended).mappings()
    ]
    nobody_counted = dict.fromkeys(SUMMED)
    found += [
        RunsOfTask(row.task, row.state, row.number, nobody_counted, None) for row in connection.execute(under_way)
    ]
    return sorted(found, key=lambda one: (one.task, one.state))


def last_successes(held: Sequence[RunsOfTask]) -> dict[str, datetime]:
    """Task → when its last SUCCESS ended."""
    return {one.task: one.last for one in held if one.state == "SUCCESS" and one.last is not None}


def durations(connection: Connection) -> list[Durations]:
    """Of the runs that began and ended, by task; counted as they end, too."""
    place = run_totals.c.bucket
    number, seconds = func.sum(run_totals.c.runs).label("number"), func.sum(run_totals.c.seconds).label("seconds")
    query = select(run_totals.c.task, place, number, seconds).where(place >= 0).group_by(run_totals.c.task, place)
    found: dict[str, tuple[list[int], float]] = {}
    for row in connection.execute(query.order_by(run_totals.c.task, place)):
        places, seconds_before = found.get(row.task, ([0] * (len(BOUNDS) + 1), 0.0))
        places[row.bucket] = int(row.number)
        found[row.task] = places, seconds_before + row.seconds
    return [Durations(task, _cumulative(places), seconds) for task, (places, seconds) in found.items()]


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
