from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import IntegrityError

from app.errors import InvalidParameter, UnknownRun
from app.store import leases, runs
from app.store.counts import Counts
from app.store.engine import transaction
from app.store.leases import Attempt
from app.store.runs import Run
from tests.integration.store.samples import NOW

TASK = "app.tasks.sync_daily_prices"


def at(minutes: float) -> datetime:
    return NOW + timedelta(minutes=minutes)


def queue(connection: Connection, run_id: str = "a", *, task: str = TASK, minute: float = 0, **more: Any) -> str:
    given: dict[str, Any] = {"parameters": {"days": 7}, "trigger": "manual"} | more
    return runs.queue(connection, run_id, task=task, at=at(minute), **given)


def start(connection: Connection, run_id: str = "a", *, task: str = TASK, minute: float = 1) -> Attempt:
    return leases.start(
        connection, run_id, task=task, parameters={"days": 7}, trigger="manual", worker="w1", at=at(minute)
    )


def held(connection: Connection, run_id: str = "a") -> Run:
    return runs.get(connection, run_id)


def test_from_the_wish_to_the_end(connection: Connection) -> None:
    assert queue(connection) == "a"
    queued = held(connection)
    assert (queued.state, queued.attempts, queued.started_at, queued.parameters) == ("QUEUED", 0, None, {"days": 7})
    assert start(connection).token == 1
    assert leases.progress(connection, "a", 1, {"done": 1, "total": 14})
    assert held(connection).progress == {"done": 1, "total": 14}
    counts = Counts(expected=10, fetched=10, stored=9, unchanged=1)
    assert leases.finish(connection, "a", token=1, state="SUCCESS", at=at(2), counts=counts)
    ended = held(connection)
    assert (ended.state, ended.queued_at, ended.started_at, ended.finished_at) == ("SUCCESS", at(0), at(1), at(2))
    assert ended.counts == counts
    assert ended.counts.quarantined is None
    assert (ended.worker, ended.attempts, ended.is_final, ended.lease_until) == ("w1", 1, True, None)


def test_a_run_that_nobody_queued_starts_all_the_same(connection: Connection) -> None:
    run = start(connection).run
    assert (run.queued_at, run.started_at, run.attempts, run.task) == (at(1), at(1), 1, TASK)


def test_a_wish_is_recorded_once(connection: Connection) -> None:
    assert queue(connection) == "a"
    assert queue(connection, task="other") == "a"
    assert held(connection).task == TASK


def test_the_same_wish_is_answered_with_the_run_that_is_under_way(connection: Connection) -> None:
    queue(connection, "a")
    assert queue(connection, "b") == "a"
    assert queue(connection, "c", parameters={"days": 8}) == "c"
    assert queue(connection, "d", task="other") == "d"
    assert queue(connection, "e", forced=True, minute=1) == "e"
    start(connection, "a")
    assert queue(connection, "f") == "a"
    leases.finish(connection, "a", state="SUCCESS", at=at(2))
    leases.finish(connection, "e", state="SUCCESS", at=at(2))
    assert queue(connection, "g") == "g"


def test_a_scheduled_run_answers_a_wish_as_well(connection: Connection) -> None:
    assert claim(connection, "a", "daily", 0)
    assert queue(connection, "b", parameters={}) == "a"


def claim(connection: Connection, run_id: str, schedule: str, minute: float, **more: Any) -> bool:
    due = at(minute)
    return runs.claim(connection, run_id, task=TASK, parameters={}, schedule=schedule, due_at=due, at=due, **more)


def test_a_tick_of_a_schedule_is_claimed_once(connection: Connection) -> None:
    assert claim(connection, "a", "daily", 0)
    assert not claim(connection, "b", "daily", 0)
    assert claim(connection, "c", "daily", 60)
    assert claim(connection, "d", "other", 0)
    assert claim(connection, "e", "other", 1, state="SKIPPED", reason="It came too late.")
    with pytest.raises(UnknownRun):
        runs.get(connection, "b")
    assert (held(connection, "e").finished_at, held(connection, "e").reason) == (at(1), "It came too late.")


def test_attempts_count_and_a_retry_says_why(connection: Connection) -> None:
    start(connection, minute=1)
    retry = {"after": timedelta(), "retries": 1, "reason": "HTTP 503", "error_type": "SourceUnavailable"}
    assert leases.retry(connection, "a", 1, **retry)  # type: ignore[arg-type]
    waiting = held(connection)
    assert (waiting.state, waiting.reason, waiting.error_type) == ("RETRY", "HTTP 503", "SourceUnavailable")
    assert (waiting.sent_at, waiting.retries) == (None, 1)
    assert not leases.progress(connection, "a", 1, {"done": 1})
    again = start(connection, minute=5)
    assert (again.token, again.run.attempts, again.run.started_at, again.run.reason) == (2, 2, at(1), None)


def test_an_ended_run_stays_as_it_is(connection: Connection) -> None:
    start(connection)
    leases.finish(
        connection, "a", state="FAILED", at=at(2), error_type="SourceChanged", error="No column.", traceback="…"
    )
    before = held(connection)
    assert start(connection, minute=9) == Attempt(before, None)
    assert before.is_final
    assert not leases.finish(connection, "a", state="SUCCESS", at=at(9))
    assert not leases.retry(connection, "a", 1, after=timedelta(), reason="late")
    assert not leases.progress(connection, "a", 1, {})
    assert held(connection) == before
    assert (before.error_type, before.error, before.traceback) == ("SourceChanged", "No column.", "…")


def test_a_run_ends_only_in_a_final_state(connection: Connection) -> None:
    start(connection)
    with pytest.raises(InvalidParameter, match="'STARTED'"):
        leases.finish(connection, "a", state="STARTED", at=at(2))


def test_an_unknown_run_is_refused(connection: Connection) -> None:
    with pytest.raises(UnknownRun, match="no run 'none'"):
        runs.get(connection, "none")
    with pytest.raises(UnknownRun, match="no run 'none'"):
        runs.find(connection, "none")
    assert not leases.finish(connection, "none", state="SUCCESS", at=at(2))


def test_a_page_follows_a_page(connection: Connection) -> None:
    for number in range(7):
        # Two wishes an instant: the order must be total, or a page repeats or skips one.
        queue(connection, f"r{number}", minute=number // 2, trigger="api" if number == 3 else "manual", forced=True)
    pages: list[list[str]] = []
    before = None
    while page := runs.list_runs(connection, before=before, limit=3):
        pages.append([run.id for run in page])
        before = page[-1].id
    assert pages == [["r6", "r5", "r4"], ["r3", "r2", "r1"], ["r0"]]
    assert [run.id for run in runs.list_runs(connection, trigger="api")] == ["r3"]
    assert [run.id for run in runs.list_runs(connection, since=at(3))] == ["r6"]
    assert runs.list_runs(connection, task="other") == []
    assert runs.count_runs(connection, state="QUEUED") == 7


def test_statistics_by_task(connection: Connection) -> None:
    for run_id, state, minutes in (("a", "SUCCESS", 2), ("b", "SUCCESS", 4), ("c", "FAILED", 50)):
        start(connection, run_id, minute=0)
        leases.finish(connection, run_id, state=state, at=at(minutes))
    start(connection, "d", task="app.tasks.cleanup_old_cache", minute=-5)
    start(connection, "old", minute=-10_000)
    cleanup, prices = runs.stats(connection, since=at(-60))
    assert (cleanup.task, cleanup.by_state, cleanup.seconds) == ("app.tasks.cleanup_old_cache", {"STARTED": 1}, None)
    assert cleanup.last_success_at is None
    assert (prices.total, prices.by_state, prices.seconds) == (3, {"SUCCESS": 2, "FAILED": 1}, 180.0)
    assert (prices.last_queued_at, prices.last_success_at) == (at(0), at(4))


@pytest.mark.parametrize(
    "wrong",
    [
        "lease_until = now()",
        "state = 'DONE'",
        "state = 'SUCCESS'",
        "trigger = 'cron'",
        "stored = -1",
        "schedule = 'x'",
        "finished_at = now()",
    ],
)
def test_the_database_itself_refuses_a_false_ledger(engine: Engine, wrong: str) -> None:
    with transaction(engine) as connection:
        queue(connection)
    with pytest.raises(IntegrityError), transaction(engine) as connection:
        connection.execute(text(f"UPDATE runs SET {wrong}"))


def test_counts_add_up_where_somebody_counted() -> None:
    assert Counts(1, 2, None, 4) + Counts(10, None, None, 40) == Counts(11, 2, None, 44, None)


def test_a_run_is_found_by_the_beginning_that_only_it_has(connection: Connection) -> None:
    for run_id in ("5e0c17aa", "5e0c17ab", "5e0c", "77aa0000"):
        queue(connection, run_id, minute=len(run_id), forced=True)
    assert runs.find(connection, "77aa").id == "77aa0000"
    assert runs.find(connection, "5e0c").id == "5e0c"
    with pytest.raises(UnknownRun, match="Several runs begin with '5e0c17'"):
        runs.find(connection, "5e0c17")
    with pytest.raises(UnknownRun, match="no run '77a'"):
        runs.find(connection, "77a")
