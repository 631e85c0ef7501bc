"""Units: one row a unit of work of a run, written in the same transaction as the unit's data."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Connection, select, text, update
from sqlalchemy.dialects.postgresql import insert

from app.errors import storable
from app.market.security import Venue
from app.store.counts import Counts, split_counts
from app.store.tables import runs, units

_LAST = 100
"""Units of which the pace is taken."""


@dataclass(frozen=True, slots=True)
class HeldUnit:
    """A unit as it ended; *scope* tells it from the others of its dataset and venue."""

    run_id: str
    dataset: str
    venue: Venue
    scope: str
    session: date | None
    state: str
    reason: str | None
    counts: Counts
    error_type: str | None
    error: str | None
    finished_at: datetime


def record(
    connection: Connection,
    run_id: str,
    *,
    dataset: str,
    venue: Venue,
    scope: str,
    state: str,
    at: datetime,
    session: date | None = None,
    reason: str | None = None,
    counts: Counts | None = None,
    error_type: str | None = None,
    error: str | None = None,
) -> None:
    """Write down how a unit ended; a later attempt of the same run replaces what an earlier one said.

    One that is done shows that the run does not kill its workers each time: the losses so far count no more.
    """
    values = {
        "session": session,
        "state": state,
        "reason": reason and storable(reason),
        "error_type": error_type,
        "error": error and storable(error),
        "finished_at": at,
        **(counts or Counts()).as_dict(),
    }
    connection.execute(
        insert(units)
        .values(run_id=run_id, dataset=dataset, venue=venue, scope=scope, **values)
        .on_conflict_do_update(index_elements=["run_id", "dataset", "venue", "scope"], set_=values)
    )
    if state in ("SUCCESS", "PARTIAL"):
        connection.execute(update(runs).where(runs.c.id == run_id, runs.c.losses > 0).values(losses=0))


def of_run(connection: Connection, run_id: str) -> list[HeldUnit]:
    """The units of a run, in the order in which they ended."""
    rows = connection.execute(
        select(units).where(units.c.run_id == run_id).order_by(units.c.finished_at, units.c.dataset, units.c.scope)
    )
    held = (split_counts(dict(row._mapping)) for row in rows)  # noqa: SLF001 - SQLAlchemy's public name for it
    return [HeldUnit(**{**values, "venue": Venue(values["venue"])}) for values in held]


def succeeded_before(connection: Connection, run_id: str) -> set[tuple[str, Venue, str]]:
    """Dataset, venue and scope of the units that succeeded in the runs which *run_id* does over."""
    query = text("""
        WITH RECURSIVE before AS (
            SELECT retry_of AS id FROM runs WHERE id = :id AND retry_of IS NOT NULL
            UNION SELECT r.retry_of FROM runs r JOIN before b ON r.id = b.id WHERE r.retry_of IS NOT NULL)
        SELECT u.dataset, u.venue, u.scope FROM units u JOIN before b ON u.run_id = b.id WHERE u.state = 'SUCCESS'""")
    return {(row.dataset, Venue(row.venue), row.scope) for row in connection.execute(query, {"id": run_id})}


def seconds_a_unit(connection: Connection, dataset: str) -> float | None:
    """The usual time from one unit of *dataset* to the next of its run, of the last that were stored; None: too few."""
    query = text("""
        SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds) FROM (
            SELECT extract(epoch FROM finished_at - lag(finished_at) OVER (
                PARTITION BY run_id ORDER BY finished_at))::float8 AS seconds
            FROM (SELECT run_id, finished_at FROM units
                WHERE dataset = :dataset AND state IN ('SUCCESS', 'PARTIAL')
                ORDER BY finished_at DESC LIMIT :last) AS recent) AS steps
        WHERE seconds IS NOT NULL""")
    pace = connection.scalar(query, {"dataset": dataset, "last": _LAST})
    return None if pace is None else float(pace)
