"""A wish to cancel that was accepted holds, however the attempt ends that it met."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import Connection, text

from app.store import leases, runs
from tests.integration.store.samples import NOW


def begin(connection: Connection) -> int | None:
    return leases.start(connection, "a", task="t", parameters={}, trigger="manual", worker="w", at=NOW).token


def ended(connection: Connection) -> tuple[str, str | None]:
    run = runs.get(connection, "a")
    return run.state, run.reason


@pytest.mark.parametrize("how", ["retry", "give_back"])
def test_a_cancelled_run_does_not_wait_for_another_attempt(connection: Connection, how: str) -> None:
    token = begin(connection)
    assert token == 1
    assert leases.ask_to_cancel(connection, "a", by="ops")
    if how == "retry":
        assert leases.retry(connection, "a", token, after=timedelta(hours=1), reason="HTTP 503")
    else:
        assert leases.give_back(connection, "a", token, reason="The worker stops.")
    assert ended(connection) == ("CANCELLED", "ops cancelled it.")
    assert begin(connection) is None


def test_a_waiting_run_that_somebody_cancelled_does_not_begin(connection: Connection) -> None:
    runs.queue(connection, "a", task="t", parameters={}, trigger="manual", at=NOW)
    connection.execute(text("UPDATE runs SET cancel_by = 'ops'"))
    assert begin(connection) is None
    assert ended(connection) == ("CANCELLED", "ops cancelled it.")
