"""What of the tables may go, and what of the old must not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import Connection, text

from app.market.gaps import BARS, Cell
from app.market.security import Venue
from app.store import incidents, leases, measured, old_rows, readings, runs, units, watched
from app.store.cells import read_cells
from app.store.counts import Counts
from app.store.tables import METADATA

NOW = datetime(2026, 11, 26, 3, 0, tzinfo=UTC)
LIMIT = NOW - timedelta(days=400)


def a_run(
    connection: Connection,
    run_id: str,
    *,
    days: float,
    task: str = "t",
    state: str = "SUCCESS",
    retry_of: str | None = None,
    seconds: float = 2.0,
    counts: Counts = Counts(fetched=3, stored=2, unchanged=1),
) -> str:
    """A run that ended so many days ago (or has not, where *state* is not final)."""
    at = NOW - timedelta(days=days)
    runs.queue(connection, run_id, task=task, parameters={}, trigger="manual", at=at, forced=True)
    if retry_of:
        connection.execute(text("UPDATE runs SET retry_of = :of WHERE id = :id"), {"of": retry_of, "id": run_id})
    if state != "QUEUED":
        leases.start(connection, run_id, task=task, parameters={}, trigger="manual", worker="w", at=at)
    if state not in ("QUEUED", "STARTED"):
        leases.finish(connection, run_id, state=state, at=at + timedelta(seconds=seconds), counts=counts)
    return run_id


def a_unit(
    connection: Connection, run_id: str, *, days: float, venue: Venue = Venue.TWSE, dataset: str = BARS, **more: str
) -> None:
    at = NOW - timedelta(days=days)
    state, scope = more.get("state", "SUCCESS"), f"{at.date()}"
    units.record(connection, run_id, dataset=dataset, venue=venue, scope=scope, session=at.date(), state=state, at=at)


def lately(connection: Connection, task: str = "t", *, runs: int = 20) -> None:
    """So many newer runs that did nothing: the console draws the twenty newest of a task, none of which may go."""
    connection.execute(
        text("INSERT INTO runs (id, task, parameters, trigger, state, queued_at, finished_at)"
             " SELECT 'lately ' || :task || n, :task, '{}', 'manual', 'SKIPPED', :at, :at"
             " FROM generate_series(1, :runs) AS n"), {"task": task, "at": NOW, "runs": runs},
    )  # fmt: skip


def left(connection: Connection) -> set[str]:
    return set(connection.scalars(text("SELECT id FROM runs WHERE id NOT LIKE 'lately %'")))


def prune_runs(connection: Connection, at_once: int = 100) -> int:
    return old_rows.remove(connection, "runs", before=LIMIT, at_once=at_once)


def test_every_table_is_pruned_or_kept_for_a_reason() -> None:
    assert old_rows.tables() & old_rows.KEPT.keys() == set()
    assert old_rows.tables() | old_rows.KEPT.keys() == set(METADATA.tables)
    assert all(old_rows.KEPT.values())


def test_old_runs_go_with_their_units_and_what_is_still_asked_stays(connection: Connection) -> None:
    a_run(connection, "old", days=900)
    a_unit(connection, "old", days=900)
    a_run(connection, "old-failure", days=800, state="FAILED")
    a_run(connection, "last-success", days=500)
    a_unit(connection, "last-success", days=500)
    a_run(connection, "failed-since", days=450, state="FAILED")
    a_run(connection, "only-success", days=700, task="rare")
    a_run(connection, "under-way", days=600, state="STARTED")
    a_run(connection, "waits", days=600, state="QUEUED")
    a_run(connection, "young", days=399, state="FAILED")
    lately(connection)

    found = old_rows.look(connection, "runs", before=LIMIT)
    assert found.rows == 3
    assert found.oldest == NOW - timedelta(days=900) + timedelta(seconds=2)
    assert found.newest == NOW - timedelta(days=450) + timedelta(seconds=2)
    assert found.bytes
    assert found.bytes > 300  # three runs and a unit
    assert prune_runs(connection) == 3
    assert left(connection) == {"last-success", "only-success", "under-way", "waits", "young"}
    assert connection.scalar(text("SELECT count(*) FROM units")) == 1
    assert prune_runs(connection) == 0
    assert old_rows.look(connection, "runs", before=LIMIT) == old_rows.Extent(0, 0, None, None)


def test_the_oldest_go_first_and_so_many_at_once(connection: Connection) -> None:
    for days in (500, 900, 700):
        a_run(connection, f"{days}", days=days, state="FAILED")
    lately(connection)
    assert [prune_runs(connection, at_once=1) for _ in range(2)] == [1, 1]
    assert left(connection) == {"500"}


def test_when_a_dataset_last_answered_is_known_as_before(connection: Connection) -> None:
    """Though the run as a whole was no success, and newer ones of its task were."""
    a_run(connection, "half", days=600, state="PARTIAL")
    a_unit(connection, "half", days=600, venue=Venue.TPEX, dataset="securities")
    a_unit(connection, "half", days=600, venue=Venue.TWSE, dataset="securities", state="FAILED")
    a_run(connection, "older", days=700, state="PARTIAL")
    a_unit(connection, "older", days=700, venue=Venue.TPEX, dataset="securities")
    a_run(connection, "newer", days=1)
    lately(connection)
    before = watched.lists_committed(connection)
    assert before == {Venue.TPEX: NOW - timedelta(days=600)}
    assert prune_runs(connection) == 1
    assert left(connection) == {"half", "newer"}
    assert watched.lists_committed(connection) == before


def test_what_a_run_under_way_does_over_is_known_as_before(connection: Connection) -> None:
    a_run(connection, "first", days=900, state="PARTIAL", task="backfill")
    a_unit(connection, "first", days=900)
    a_run(connection, "second", days=800, state="FAILED", task="backfill", retry_of="first")
    a_run(connection, "third", days=0, state="QUEUED", task="backfill", retry_of="second")
    a_run(connection, "newest", days=1)  # has the newest unit of this dataset and venue
    a_unit(connection, "newest", days=1)
    lately(connection, "backfill")
    before = units.succeeded_before(connection, "third")
    assert len(before) == 1
    assert prune_runs(connection) == 0
    assert units.succeeded_before(connection, "third") == before
    leases.finish(connection, "third", state="FAILED", at=NOW)
    assert prune_runs(connection) == 0  # it may be done over itself
    connection.execute(text("UPDATE runs SET queued_at = queued_at - interval '401 days', finished_at = :at"
                            " WHERE id = 'third'"), {"at": LIMIT - timedelta(seconds=1)})  # fmt: skip
    assert prune_runs(connection) == 3


def test_what_the_console_draws_of_a_task_stays(connection: Connection) -> None:
    """The twenty newest of a task that seldom runs, whatever became of them."""
    for number in range(22):
        a_run(connection, f"{number}", days=900 - number, state="FAILED", task="rare")
    assert prune_runs(connection) == 2
    assert {run.id for run in runs.newest_by_task(connection, ["rare"], each=20)["rare"]} == left(connection)
    assert left(connection) == {f"{number}" for number in range(2, 22)}


def test_what_was_tried_lately_is_known_as_before(connection: Connection) -> None:
    """Catching up looks at the tries of the sessions of its days, which RUN_DAYS is above."""
    session = date(2026, 11, 20)
    a_run(connection, "old", days=900)
    a_unit(connection, "old", days=900)
    a_run(connection, "tried", days=6)
    a_unit(connection, "tried", days=6, state="FAILED")
    a_run(connection, "newest", days=1)
    lately(connection)
    start = NOW.date() - timedelta(days=366)
    before = read_cells(connection, dataset=BARS, start=start, end=NOW.date())
    assert list(before.tries) == [Cell(session, Venue.TWSE)]
    a_unit(connection, "newest", days=1)
    before = read_cells(connection, dataset=BARS, start=start, end=NOW.date())
    assert prune_runs(connection) == 1
    assert read_cells(connection, dataset=BARS, start=start, end=NOW.date()) == before


def test_counters_do_not_go_back(connection: Connection) -> None:
    """`rate` in Prometheus would take that for a new counter, and all of it for new."""
    a_run(connection, "a", days=900, seconds=0.3)
    a_run(connection, "b", days=890, seconds=4000, counts=Counts(fetched=10))
    a_run(connection, "c", days=880, state="FAILED", counts=Counts())
    a_run(connection, "d", days=1, seconds=3)
    a_run(connection, "gone-task", days=900, task="old", state="FAILED", counts=Counts())
    for number in range(3):  # of which floats have other sums in another order
        a_run(connection, f"tenths {number}", days=890 - number, seconds=(number + 1) / 10, state="FAILED")
    lately(connection)
    lately(connection, "old")
    before = measured.runs_by_task(connection), measured.durations(connection)
    assert prune_runs(connection, at_once=2) == 2  # and what comes next is added to it
    assert prune_runs(connection) == 5
    assert left(connection) == {"d"}
    after = measured.runs_by_task(connection), measured.durations(connection)
    assert [replace(one, last=None) for one in after[0]] == [replace(one, last=None) for one in before[0]]
    assert sorted(after[1], key=lambda one: one.task) == sorted(before[1], key=lambda one: one.task)
    assert {one.task: one.last for one in after[0] if one.state == "SUCCESS"} == {
        one.task: one.last for one in before[0] if one.state == "SUCCESS"
    }


@pytest.mark.parametrize(("closed", "gone"), [(500, 1), (399, 0), (None, 0)])
def test_an_incident_that_stands_is_not_old(connection: Connection, closed: float | None, gone: int) -> None:
    incidents.see(connection, "freshness", "bars", "late")
    at: Mapping[str, datetime | None] = {"at": None if closed is None else NOW - timedelta(days=closed)}
    connection.execute(text("UPDATE incidents SET opened_at = '2020-01-01Z', closed_at = :at"), at)
    assert old_rows.look(connection, "incidents", before=LIMIT).rows == gone
    assert old_rows.remove(connection, "incidents", before=LIMIT, at_once=10) == gone


def test_readings_go_by_their_minute(connection: Connection) -> None:
    for minute in range(3):
        readings.add(connection, [("memory", "w", 1.0)], at=LIMIT - timedelta(minutes=minute + 1))
    assert old_rows.remove(connection, "readings", before=LIMIT, at_once=2) == 2
    assert old_rows.remove(connection, "readings", before=LIMIT, at_once=2) == 1
