"""What metrics say of runs that ended is what a count of the ledger says, and costs the same however long that is."""

from __future__ import annotations

import contextlib
import random
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from alembic import command
from sqlalchemy import text

from app.store import leases, measured, migrate, outbox, provenance, runs
from app.store.counts import Counts
from app.store.engine import Connection, Engine, make_engine, transaction

NOW = datetime(2026, 11, 23, 7, 0, tzinfo=UTC)
TASKS = ("app.tasks.sync_qlib", "app.tasks.sync_stock_list", "app.tasks.catch_up")
COUNTED = text("""
    SELECT task, state, count(*), sum(fetched), sum(stored), sum(unchanged), sum(quarantined), max(finished_at)
    FROM runs GROUP BY task, state ORDER BY task, state""")
TOOK = text("""
    SELECT task, extract(epoch FROM finished_at - started_at)::float8 AS seconds FROM runs
    WHERE started_at IS NOT NULL AND finished_at IS NOT NULL""")


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = make_engine(database_url, application_name="tests")
    yield engine
    engine.dispose()


def counted(connection: Connection) -> tuple[list[Any], dict[str, tuple[int, float, list[float]]]]:
    """By reading every row of the ledger."""
    took: dict[str, list[float]] = {}
    for row in connection.execute(TOOK):
        took.setdefault(row.task, []).append(row.seconds)
    ends = [*measured.BOUNDS, float("inf")]
    histograms = {
        task: (len(each), round(sum(each), 3), [float(sum(one < end for one in each)) for end in ends])
        for task, each in took.items()
    }
    return [tuple(row) for row in connection.execute(COUNTED)], histograms


def told(connection: Connection) -> tuple[list[Any], dict[str, tuple[int, float, list[float]]]]:
    """As a scrape is told."""
    names = ("fetched", "stored", "unchanged", "quarantined")
    rows = [
        (one.task, one.state, one.runs, *(one.rows[name] for name in names), one.last)
        for one in measured.runs_by_task(connection)
    ]
    histograms = {
        one.task: (int(one.buckets[-1][1]), round(one.seconds, 3), [number for _, number in one.buckets])
        for one in measured.durations(connection)
    }
    return rows, histograms


def same(engine: Engine) -> None:
    with transaction(engine) as connection:
        assert told(connection) == counted(connection)


def live(engine: Engine, run_id: str, dice: random.Random) -> None:
    """A life of a run, each step a transaction, ended in one of the ways that there are."""
    task, begun = dice.choice(TASKS), NOW + timedelta(seconds=dice.randrange(10_000))
    at = begun + timedelta(seconds=dice.choice([0, 0.4, 0.5, 7, 59.9, 3600, 9000]))
    wish = {"task": task, "parameters": {"n": run_id}, "trigger": "manual", "at": begun}

    def step(act: Any, *words: Any, **more: Any) -> Any:
        with transaction(engine) as connection:
            return act(connection, *words, **more)

    way = dice.randrange(9)
    if way == 0:
        more = {"schedule": "s", "due_at": begun + timedelta(microseconds=dice.randrange(10**6))}
        wish.pop("trigger")
        step(runs.claim, run_id, **wish, **more, state="SKIPPED", reason="closed")
        return
    step(runs.queue, run_id, **wish, forced=True, expires_at=begun if way == 1 else None, sent=False)
    if way == 1:
        step(outbox.end_expired, at=at)
        return
    if way == 2:
        step(leases.end_waiting, run_id, state="CANCELLED", reason="no", at=at)
        return
    if way == 3:
        return  # it waits
    step(leases.start, run_id, **wish, worker="w")
    if way == 4:
        return  # it works
    if way == 5:
        step(leases.end_dead, run_id, state="LOST", reason="gone", at=at)
        return
    if way == 6:
        step(leases.retry, run_id, 1, after=timedelta(0), retries=1, reason="again", error_type="E")
        step(leases.start, run_id, **wish, worker="w")
    counts = None if dice.random() < 0.3 else Counts(*(dice.choice([None, dice.randrange(100)]) for _ in range(5)))
    state = dice.choice(["SUCCESS", "PARTIAL", "FAILED"])
    step(leases.finish, run_id, state=state, at=at, counts=counts)
    step(leases.finish, run_id, state="FAILED", at=at)  # it has ended: this changes nothing


def test_the_totals_are_what_a_count_of_the_ledger_says(engine: Engine) -> None:
    """Several at once, as workers are."""
    wrong: list[BaseException] = []

    def some(number: int) -> None:
        dice = random.Random(number)
        try:
            for each in range(60):
                live(engine, f"{number}-{each}", dice)
        except BaseException as error:
            wrong.append(error)

    threads = [threading.Thread(target=some, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    same(engine)
    with transaction(engine) as connection:
        assert len({row[1] for row in told(connection)[0]}) >= 7, "most states came about"


def test_an_end_that_is_rolled_back_does_not_count(engine: Engine) -> None:
    live(engine, "before", random.Random(3))
    wish = {"task": TASKS[0], "parameters": {}, "trigger": "manual", "at": NOW}
    with contextlib.suppress(ZeroDivisionError), transaction(engine) as connection:
        runs.queue(connection, "r", **wish)
        leases.start(connection, "r", **wish, worker="w")
        assert leases.finish(connection, "r", state="SUCCESS", at=NOW)
        raise ZeroDivisionError
    same(engine)


def test_counters_do_not_fall_when_old_runs_go(engine: Engine) -> None:
    dice = random.Random(1)
    for number in range(40):
        live(engine, str(number), dice)
    with transaction(engine) as connection:
        before = told(connection)
        connection.execute(text("DELETE FROM runs WHERE finished_at IS NOT NULL"))
    with transaction(engine) as connection:
        assert told(connection) == before


def fill(connection: Connection, number: int) -> None:
    connection.execute(
        text("""
        INSERT INTO runs (id, task, parameters, trigger, state, queued_at, started_at, finished_at, fetched, stored)
        SELECT 'old' || n, 'app.tasks.t' || n % 3, '{}', 'schedule', (ARRAY['SUCCESS', 'FAILED', 'PARTIAL'])[1 + n % 3],
            :at, :at, CAST(:at AS timestamptz) + n % 700 * interval '1 s', n % 50, CASE WHEN n % 2 = 0 THEN n % 9 END
        FROM generate_series(1, :number) AS n"""),
        {"at": NOW, "number": number},
    )


def test_a_ledger_of_before_is_counted_when_the_database_is_migrated(empty_database_url: str) -> None:
    engine = make_engine(empty_database_url, application_name="tests")
    with transaction(engine) as connection:
        command.upgrade(migrate._config(connection), "0006")
        provenance.record(connection, "sandbox")
        fill(connection, 1000)
    migrate.upgrade(empty_database_url, source="sandbox")
    same(engine)
    engine.dispose()


def test_a_scrape_reads_what_is_under_way_and_not_the_ledger(engine: Engine) -> None:
    with transaction(engine) as connection:
        fill(connection, 3000)
        runs.queue(connection, "waits", task=TASKS[0], parameters={}, trigger="manual", at=NOW)
    with transaction(engine) as connection:
        connection.execute(text("ANALYZE runs"))
    with transaction(engine) as connection:
        assert len(told(connection)[0]) == 4
        read = connection.scalar(
            text("SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = 'runs'")
        )
    assert read is not None
    assert read < 20
