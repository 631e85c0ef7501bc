"""A wish that finds its run under way: it comes no later than it would have by itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection

from app.store import leases, outbox, runs
from app.store.runs import Run

HOUR = timedelta(hours=1)


def wish(connection: Connection, run_id: str, **more: Any) -> str:
    given: dict[str, Any] = {"task": "t", "parameters": {}, "trigger": "manual", "at": datetime.now(UTC)} | more
    return runs.queue(connection, run_id, **given)


def held(connection: Connection, run_id: str = "a") -> Run:
    return runs.get(connection, run_id)


def sent_now(connection: Connection) -> list[str]:
    return [run.id for run in outbox.take(connection, caps={})]


def test_now_does_not_wait_for_in_an_hour(connection: Connection) -> None:
    wish(connection, "a", run_after=datetime.now(UTC) + HOUR, sent=False, priority=5)
    assert sent_now(connection) == []
    assert wish(connection, "b", priority=5) == "a"
    assert held(connection).run_after is None
    assert sent_now(connection) == ["a"]


def test_now_does_not_wait_for_a_retry(connection: Connection) -> None:
    leases.start(connection, "a", task="t", parameters={}, trigger="manual", worker="w", at=datetime.now(UTC))
    leases.retry(connection, "a", 1, after=HOUR, reason="HTTP 503")
    assert wish(connection, "b") == "a"
    assert sent_now(connection) == ["a"]


def test_a_later_wish_puts_nothing_off(connection: Connection) -> None:
    soon, late = datetime.now(UTC) + HOUR, datetime.now(UTC) + 2 * HOUR
    wish(connection, "a", run_after=late, sent=False, priority=5)
    wish(connection, "b", run_after=soon, sent=False)
    assert held(connection).run_after == soon
    wish(connection, "c", run_after=late, sent=False, priority=1)
    assert (held(connection).run_after, held(connection).priority) == (soon, 5)


def test_an_urgent_wish_overtakes(connection: Connection) -> None:
    wish(connection, "a", priority=5)
    before = held(connection)
    assert wish(connection, "b", priority=5) == "a"
    assert held(connection) == before, "nothing to bring forward"
    assert wish(connection, "c", priority=9) == "a"
    assert held(connection).priority == 9
    assert sent_now(connection) == ["a"], "again, before what its first message lies behind"


def test_a_wish_without_an_end_outlives_the_schedules_patience(connection: Connection) -> None:
    end = datetime.now(UTC) + HOUR
    wish(connection, "a", expires_at=end)
    wish(connection, "b", expires_at=end + HOUR)
    assert held(connection).expires_at == end + HOUR
    wish(connection, "c", expires_at=end)
    assert held(connection).expires_at == end + HOUR
    wish(connection, "d")
    assert held(connection).expires_at is None
    wish(connection, "e", expires_at=end)
    assert held(connection).expires_at is None


def test_what_works_is_left_alone(connection: Connection) -> None:
    leases.start(connection, "a", task="t", parameters={}, trigger="manual", worker="w", at=datetime.now(UTC))
    before = held(connection)
    assert wish(connection, "b", priority=9) == "a"
    assert held(connection) == before


def test_a_run_that_ends_in_that_moment_leaves_no_id_without_a_row(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not there at the first look, in the way of the insert, and ended at the second look."""
    wish(connection, "a")
    looks: list[int] = []

    def look(*_: Any) -> None:
        looks.append(1)
        if len(looks) == 2:
            leases.finish(connection, "a", state="SUCCESS", at=datetime.now(UTC))

    monkeypatch.setattr(runs, "_in_flight", look)
    assert wish(connection, "b", sent=False) == "b"
    assert sent_now(connection) == ["b"]


def test_a_retry_may_change_to_what_another_run_does(connection: Connection) -> None:
    wish(connection, "a", parameters={"days": 2})
    wish(connection, "b", parameters={"days": 1})
    leases.start(connection, "b", task="t", parameters={}, trigger="manual", worker="w", at=datetime.now(UTC))
    assert leases.retry(connection, "b", 1, after=timedelta(), reason="HTTP 503", parameters={"days": 2})
    run = held(connection, "b")
    assert (run.state, run.parameters, run.forced) == ("RETRY", {"days": 2}, True)
    assert not held(connection).forced
