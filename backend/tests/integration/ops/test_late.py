"""What begins too late is SKIPPED by PostgreSQL's clock: one host's wrong one neither ends nor spares a run."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine

from app.ops.reaper import Reaper
from app.ops.runs import RunLedger
from app.store import runs
from app.store.engine import transaction

HOUR = timedelta(hours=1)


@pytest.mark.parametrize("wrong", [2 * HOUR, -2 * HOUR], ids=["fast", "slow"])
@pytest.mark.parametrize(("left", "state"), [(HOUR, "STARTED"), (-HOUR, "SKIPPED")])
def test_a_wrong_clock_does_not_matter(engine: Engine, wrong: timedelta, left: timedelta, state: str) -> None:
    def clock() -> datetime:
        return datetime.now(UTC) + wrong

    with transaction(engine) as connection:
        for run_id in ("swept", "begun"):
            end = datetime.now(UTC) + left
            runs.queue(
                connection, run_id, task=run_id, parameters={}, trigger="manual", at=datetime.now(UTC), expires_at=end
            )
    RunLedger(engine, clock=clock).started("begun", task="begun", parameters={}, trigger="manual", worker="w")
    ended = Reaper(engine, clock=clock, look=lambda _: None, settled=lambda _: None).end_late()
    with transaction(engine) as connection:
        begun, swept = runs.get(connection, "begun"), runs.get(connection, "swept")
    assert begun.state == state
    assert (ended, swept.state) == ((1, "SKIPPED") if state == "SKIPPED" else (0, "QUEUED"))
