"""``quantlab runs retry``: what it would do, what did not succeed, and all of it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from typer.testing import Result

from app.core.wiring import Platform, now
from app.errors import InvalidParameter
from app.market.security import Venue
from app.store import audit, leases, runs, units
from app.store.engine import transaction

Run = Callable[..., Result]
TASK = "app.tasks.sync_daily_prices"


@pytest.fixture
def partial(platform: Platform) -> str:
    at = now()
    given = {"days": 3, "end_date": "2026-11-20"}
    with transaction(platform.engine) as connection:
        runs.queue(connection, "partial", task=TASK, parameters=given, trigger="manual", at=at)
        leases.start(connection, "partial", task=TASK, parameters=given, trigger="manual", worker="w", at=at)
        for day, state in (("2026-11-18", "FAILED"), ("2026-11-19", "SUCCESS")):
            units.record(
                connection, "partial", dataset="daily_bars", venue=Venue.TWSE, scope=day, state=state, at=at,
                error="twse does not answer." if state == "FAILED" else None,
            )  # fmt: skip
        leases.finish(connection, "partial", state="PARTIAL", reason="one of two failed", at=at)
    return "partial"


def others(platform: Platform) -> list[runs.Run]:
    with transaction(platform.engine) as connection:
        return [run for run in runs.list_runs(connection) if run.id != "partial"]


def test_plan_then_the_rest_then_all(run: Run, platform: Platform, partial: str) -> None:
    said = run("runs", "retry", "part", "--plan")
    assert said.exit_code == 0, said.output
    assert "1 units succeeded and are left out; 1 did not" in said.output
    assert "daily_bars TWSE 2026-11-18  twse does not answer." in said.output
    assert others(platform) == []

    assert "is queued" in run("runs", "retry", partial).output
    (again,) = others(platform)
    assert (again.retry_of, again.trigger, again.parameters["end_date"]) == (partial, "retry", "2026-11-20")
    assert f"{again.id} is under way already" in run("runs", "retry", partial).output

    with transaction(platform.engine) as connection:
        leases.start(
            connection, again.id, task=TASK, parameters=again.parameters, trigger="retry", worker="w", at=now()
        )
        leases.finish(connection, again.id, state="SUCCESS", at=now())
        (newest, *_) = audit.list_rows(connection, limit=1)
    assert (newest.action, newest.subject) == ("run.retry", partial)
    assert "is queued" in run("runs", "retry", partial, "--all").output
    assert [one.retry_of for one in others(platform)] == [None, partial]


def test_nothing_left_is_a_sentence(run: Run, platform: Platform, partial: str) -> None:
    with transaction(platform.engine) as connection:
        units.record(
            connection, partial, dataset="daily_bars", venue=Venue.TWSE, scope="2026-11-18", state="SUCCESS", at=now()
        )
    refused = run("runs", "retry", partial)
    assert isinstance(refused.exception, InvalidParameter)
    assert "nothing to do over" in str(refused.exception)
