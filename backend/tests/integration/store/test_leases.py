"""Who may work on a run: leases, their tokens, and what the outbox still has to send."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, text

from app.errors import StoreUnavailable
from app.ops.runs import RunLedger
from app.store import leases, outbox, runs
from app.store.engine import transaction
from tests.conftest import wait_until
from tests.integration.store.samples import NOW

MINUTE = timedelta(minutes=1)


def queue(connection: Connection, run_id: str = "a", **more: Any) -> None:
    given: dict[str, Any] = {"task": "t", "parameters": {"n": run_id}, "trigger": "manual", "at": NOW} | more
    runs.queue(connection, run_id, **given)


def start(connection: Connection, run_id: str = "a", *, worker: str = "w1") -> int | None:
    attempt = leases.start(
        connection, run_id, task="t", parameters={"n": run_id}, trigger="manual", worker=worker, at=NOW
    )
    return attempt.token


def run_out(connection: Connection, run_id: str = "a") -> None:
    connection.execute(text("UPDATE runs SET lease_until = now() - interval '1 s' WHERE id = :id"), {"id": run_id})


def state(connection: Connection, run_id: str = "a") -> str:
    run = runs.get(connection, run_id)
    return run.state


def test_only_one_of_two_deliveries_gets_the_run(connection: Connection) -> None:
    queue(connection)
    assert start(connection) == 1
    assert start(connection, worker="w2") is None


def test_a_dead_holder_cannot_write_any_more(connection: Connection) -> None:
    queue(connection)
    start(connection)
    run_out(connection)
    assert leases.hold(connection, "a", 1), "a lease that is over but not taken away still holds"
    assert [run.id for run in leases.take_dead(connection)] == ["a"]
    leases.queue_again(connection, "a", after=timedelta(), reason="lost")
    assert not leases.hold(connection, "a", 1)
    assert start(connection, worker="w2") == 2
    for refused in (
        leases.hold(connection, "a", 1),
        leases.progress(connection, "a", 1, {}),
        leases.retry(connection, "a", 1, after=MINUTE, reason="r"),
        leases.give_back(connection, "a", 1, reason="r"),
        leases.finish(connection, "a", token=1, state="SUCCESS", at=NOW),
        leases.finish(connection, "a", worker="w1", state="FAILED", at=NOW),
        leases.drop(connection, "a", worker="w1"),
    ):
        assert not refused
    assert leases.renew(connection, {"a": 1}) == {}
    assert leases.renew(connection, {"a": 2}) == {"a": None}
    assert leases.finish(connection, "a", token=2, state="SUCCESS", at=NOW)
    run = runs.get(connection, "a")
    assert (run.state, run.attempts, run.losses) == ("SUCCESS", 2, 1)


def test_who_is_writing_is_not_taken_for_dead(engine: Engine) -> None:
    """A unit's transaction may outlast the lease: the reaper passes by, and the commit counts."""
    with transaction(engine) as connection:
        queue(connection)
        start(connection)
        run_out(connection)
    with transaction(engine) as writer, transaction(engine) as reaper:
        assert leases.hold(writer, "a", 1)
        assert leases.take_dead(reaper) == []
        # Nor does it keep the holder's own thread from renewing.
        with transaction(engine) as keeper:
            keeper.execute(text("SET LOCAL lock_timeout = '1s'"))
            assert leases.renew(keeper, {"a": 1}) == {"a": None}


def test_who_stands_still_amid_a_copy_does_not_keep_the_run(engine: Engine) -> None:
    with transaction(engine) as connection:
        queue(connection)
        start(connection)
    with pytest.raises(StoreUnavailable), transaction(engine) as writer:  # noqa: PT012
        assert leases.hold(writer, "a", 1)
        writer.execute(text("CREATE TEMPORARY TABLE t (x integer)"))
        raw: Any = writer.connection.driver_connection
        with raw.cursor() as cursor, cursor.copy("COPY t FROM STDIN") as copy:
            copy.write("1\n")
            raw.pgconn.flush()
            with transaction(engine) as reaper:
                assert leases.end_stuck(reaper, still=timedelta()) == 0, "its lease holds"
                run_out(reaper)
            with transaction(engine) as reaper:
                assert leases.take_dead(reaper) == []
                assert leases.end_stuck(reaper) == 0, "it has not stood still for long"
                assert leases.end_stuck(reaper, still=timedelta()) == 1
            copy.write("2\n" * 100_000)
    with transaction(engine) as reaper:
        assert [run.id for run in leases.take_dead(reaper)] == ["a"]


def test_of_two_reapers_one_takes_it(engine: Engine) -> None:
    with transaction(engine) as connection:
        queue(connection)
        start(connection)
        run_out(connection)
    with transaction(engine) as first, transaction(engine) as second:
        assert [run.id for run in leases.take_dead(first)] == ["a"]
        assert leases.take_dead(second) == []


def test_a_writer_waits_for_the_reaper_and_is_refused(engine: Engine) -> None:
    with transaction(engine) as connection:
        queue(connection)
        start(connection)
        run_out(connection)
    answers: list[bool] = []

    def write() -> None:
        with transaction(engine) as writer:
            answers.append(leases.hold(writer, "a", 1))

    with transaction(engine) as reaper:
        leases.take_dead(reaper)
        thread = threading.Thread(target=write)
        thread.start()
        thread.join(0.2)
        assert answers == []
        leases.queue_again(reaper, "a", after=timedelta(), reason="lost")
    thread.join(5)
    assert answers == [False]


def test_a_retry_is_due_when_it_is_due(connection: Connection) -> None:
    queue(connection)
    start(connection)
    leases.retry(connection, "a", 1, after=MINUTE, reason="HTTP 503", retries=1)
    assert start(connection) is None
    assert outbox.take(connection, caps={}) == []
    connection.execute(text("UPDATE runs SET run_after = now()"))
    (taken,) = outbox.take(connection, caps={})
    assert (taken.id, taken.retries) == ("a", 1)
    assert outbox.take(connection, caps={}) == []
    assert start(connection) == 2


@pytest.mark.parametrize("waits", [True, False])
def test_cancelling(connection: Connection, waits: bool) -> None:
    queue(connection)
    if not waits:
        start(connection)
    assert leases.end_waiting(connection, "a", state="CANCELLED", reason="by hand", at=NOW) is waits
    assert leases.ask_to_cancel(connection, "a", by="me") is not waits
    assert state(connection) == ("CANCELLED" if waits else "STARTED")
    assert leases.renew(connection, {"a": 1}) == ({} if waits else {"a": "me"})


def test_what_is_unsent_goes_out_once_and_fresh_before_backfill(engine: Engine) -> None:
    with transaction(engine) as connection:
        for number, priority in enumerate((1, 10, 5)):
            queue(connection, f"r{number}", priority=priority, sent=False)
        queue(connection, "sent")
    with transaction(engine) as one, transaction(engine) as other:
        assert [run.id for run in outbox.take(one, caps={})] == ["r1", "r2", "r0"]
        assert outbox.take(other, caps={}) == []


def test_a_capped_queue_leaves_slots_to_the_others(connection: Connection) -> None:
    for number in range(3):
        queue(connection, f"b{number}", queue="backfill", sent=False, at=NOW + MINUTE * number)
    queue(connection, "fresh", queue="data_sync", sent=False)
    assert {run.id for run in outbox.take(connection, caps={"backfill": 1})} == {"fresh", "b0"}
    assert outbox.take(connection, caps={"backfill": 1}) == []
    start(connection, "b0")
    assert outbox.take(connection, caps={"backfill": 1}) == []
    leases.finish(connection, "b0", state="SUCCESS", at=NOW)
    assert [run.id for run in outbox.take(connection, caps={"backfill": 1})] == ["b1"]


def test_what_was_not_sent_is_sent_later(connection: Connection) -> None:
    queue(connection)
    outbox.put_back(connection, "a")
    assert [run.id for run in outbox.take(connection, caps={})] == ["a"]


def test_what_does_not_begin_in_time_is_skipped(connection: Connection) -> None:
    now = datetime.now(UTC)
    queue(connection, "late", expires_at=now - MINUTE)
    queue(connection, "early", expires_at=now + MINUTE)
    queue(connection, "begun", expires_at=now - MINUTE)
    start(connection, "begun")
    assert outbox.end_expired(connection, at=NOW) == ["late"]
    assert [state(connection, one) for one in ("late", "early", "begun")] == ["SKIPPED", "QUEUED", "STARTED"]


def test_neglect_is_seen(connection: Connection) -> None:
    queue(connection, "unsent", sent=False)
    queue(connection, "capped", sent=False, queue="backfill")
    queue(connection, "dead")
    start(connection, "dead")
    queue(connection, "later", sent=False, run_after=NOW + timedelta(days=10_000))
    assert outbox.neglected(connection, for_longer_than=MINUTE) == (1, 0)
    connection.execute(text("UPDATE runs SET lease_until = now() - interval '2 min' WHERE id = 'dead'"))
    assert outbox.neglected(connection, for_longer_than=MINUTE) == (1, 1)


def test_backfill_learns_that_fresh_data_wait(connection: Connection) -> None:
    queue(connection, "fresh", priority=5)
    assert not outbox.fresher_waits(connection, above=1, for_longer_than=MINUTE)
    assert not outbox.fresher_waits(connection, above=5, for_longer_than=timedelta())
    assert outbox.fresher_waits(connection, above=1, for_longer_than=timedelta())
    here, elsewhere = ["data_sync", "backfill"], ["export"]
    connection.execute(text("UPDATE runs SET queue = 'data_sync'"))
    assert outbox.fresher_waits(connection, above=1, for_longer_than=timedelta(), queues=here)
    assert not outbox.fresher_waits(connection, above=1, for_longer_than=timedelta(), queues=elsewhere), (
        "no worker of those takes it: making room would be in vain"
    )
    start(connection, "fresh")
    assert not outbox.fresher_waits(connection, above=1, for_longer_than=timedelta())


def test_two_who_take_at_once_share_one_slot(engine: Engine) -> None:
    with transaction(engine) as connection:
        queue(connection, "one", sent=False, queue="backfill")
        queue(connection, "two", sent=False, queue="backfill")
    second: list[list[str]] = []

    def take_too() -> None:
        with transaction(engine) as connection:
            second.append([run.id for run in outbox.take(connection, caps={"backfill": 1})])

    with transaction(engine) as connection:
        assert [run.id for run in outbox.take(connection, caps={"backfill": 1})] == ["one"]
        thread = threading.Thread(target=take_too)
        thread.start()
        waits = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
        wait_until(lambda: connection.scalar(waits), what="the second to come for the slot")
    thread.join(10)
    assert second == [[]]


def test_an_error_with_half_a_surrogate_pair_is_written_down(connection: Connection) -> None:
    queue(connection)
    start(connection)
    assert leases.finish(connection, "a", token=1, state="FAILED", at=NOW, error="lone \udc80", traceback="\0")
    run = runs.get(connection, "a")
    assert (run.error, run.traceback) == ("lone ?", "\ufffd")


def take(connection: Connection, run_id: str = "a") -> int | None:
    return leases.take(connection, run_id, worker="w2", at=NOW, repeatable=True)


def test_a_run_that_waits_is_taken_as_it_would_be_started(connection: Connection) -> None:
    queue(connection)
    queue(connection, "b")
    assert (take(connection), start(connection, "b", worker="w2")) == (1, 1)
    one, other = runs.get(connection, "a"), runs.get(connection, "b")
    assert one.lease_until is not None
    assert other.lease_until is not None
    assert abs(one.lease_until - other.lease_until) < MINUTE
    same = {"id": "", "parameters": {}, "lease_until": None, "sent_at": None}
    assert replace(one, **same) == replace(other, **same)
    assert take(connection) is None, "it is held"
    leases.give_back(connection, "a", 1, reason="r")
    assert take(connection) == 2
    assert leases.finish_held(connection, "a", 2, state="SUCCESS", at=NOW)
    assert take(connection) is None, "it has ended"
    assert take(connection, "unknown") is None


@pytest.mark.parametrize(
    "but",
    [
        "paused_by = 'somebody'",
        "cancel_by = 'somebody'",
        "run_after = clock_timestamp() + interval '1 min'",
        "expires_at = clock_timestamp() - interval '1 s'",
        "state = 'STARTED', lease_until = clock_timestamp()",
        "state = 'SKIPPED', finished_at = clock_timestamp()",
    ],
)
def test_of_which_more_is_to_be_said_is_not_taken(connection: Connection, but: str) -> None:
    queue(connection)
    connection.execute(text(f"UPDATE runs SET {but}"))
    before = runs.get(connection, "a")
    assert take(connection) is None
    assert runs.get(connection, "a") == before


def test_what_has_begun_in_time_goes_on_after_it(connection: Connection) -> None:
    queue(connection, expires_at=datetime.now(UTC) + MINUTE)
    assert take(connection) == 1
    leases.give_back(connection, "a", 1, reason="r")
    connection.execute(text("UPDATE runs SET expires_at = clock_timestamp() - interval '1 s'"))
    assert take(connection) == 2


def test_of_two_who_take_at_once_one_has_it(engine: Engine) -> None:
    with transaction(engine) as connection:
        queue(connection)
    with ThreadPoolExecutor(8) as pool:
        ledger = RunLedger(engine, clock=lambda: NOW)
        tokens = list(pool.map(lambda _: ledger.taken("a", worker="w"), range(8)))
    assert sorted(token or 0 for token in tokens) == [0] * 7 + [1]
