"""A run that does another over: what succeeded there is not asked for again, and nothing else is left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from app.core import retrying
from app.core.wiring import Platform
from app.errors import InvalidParameter, UnknownRun
from app.market.security import Venue
from app.services.context import Context, Lease
from app.services.units import Stored, Unit, UnitWork, do_units
from app.store import leases, runs, units
from app.store.counts import Counts
from app.store.engine import transaction
from tests.integration.services.conftest import Bench

AT = datetime(2026, 11, 19, 13, 30, tzinfo=UTC)
DAYS = ("2026-11-18", "2026-11-19", "2026-11-20")
UNITS = [Unit("daily_bars", venue, day) for day in DAYS for venue in (Venue.TWSE, Venue.TPEX)]


def work(asked: list[str], *, failing: Sequence[str] = ()) -> UnitWork[None]:
    def fetch(unit: Unit) -> None:
        asked.append(str(unit))
        if str(unit) in failing:
            raise ValueError("no")

    return UnitWork(fetch, lambda *_: Stored(Counts(1, 1, 1, 0, 0)))


def a_run(context: Context, run_id: str, *, retry_of: str | None = None) -> Context:
    with transaction(context.engine) as connection:
        runs.queue(
            connection,
            run_id,
            task="app.tasks.test",
            parameters={},
            trigger="retry",
            at=AT,
            retry_of=retry_of,
            forced=True,
        )
        leases.start(connection, run_id, task="app.tasks.test", parameters={}, trigger="retry", worker=None, at=AT)
    return replace(context, lease=Lease(run_id, token=1))


def test_each_time_only_what_is_left(bench: Bench) -> None:
    first, second, third = (
        a_run(bench.context, "a"),
        a_run(bench.context, "b", retry_of="a"),
        a_run(bench.context, "c", retry_of="b"),
    )
    asked: list[str] = []
    failing = [str(UNITS[1]), str(UNITS[4])]
    assert do_units(UNITS, work(asked, failing=failing), first).state == "PARTIAL"
    assert asked == [str(unit) for unit in UNITS]
    asked.clear()
    assert do_units(UNITS, work(asked, failing=failing[:1]), second).state == "PARTIAL"
    assert asked == failing
    asked.clear()
    assert do_units(UNITS, work(asked), third).state == "SUCCESS"
    assert asked == failing[:1]


def a_failed_run(platform: Platform, task: str, **parameters: object) -> str:
    with transaction(platform.engine) as connection:
        runs.queue(connection, "run-1", task=task, parameters=parameters, trigger="manual", at=AT)
        leases.start(connection, "run-1", task=task, parameters=parameters, trigger="manual", worker=None, at=AT)
        for number, unit in enumerate(UNITS):
            state = "SUCCESS" if number else "FAILED"
            units.record(
                connection, "run-1", dataset=unit.dataset, venue=unit.venue, scope=unit.scope, state=state, at=AT
            )
        leases.finish(connection, "run-1", state="PARTIAL", reason="one of six failed", at=AT)
    return "run-1"


def test_the_last_days_stay_those_of_the_first_run(platform: Platform) -> None:
    failed = a_failed_run(platform, "app.tasks.sync_daily_prices", days=3)
    left = retrying.remainder_of(failed)
    assert ([unit.scope for unit in left.units], left.succeeded) == (["2026-11-18"], 5)
    started = retrying.retry_remainder(failed)
    with transaction(platform.engine) as connection:
        again = runs.get(connection, started.id)
        later = runs.retries_of(connection, failed)
    assert (again.trigger, again.retry_of, later) == ("retry", failed, [started.id])
    assert again.parameters == {"days": 3, "end_date": "2026-11-19"}  # 21:30 in Taipei, on the 19th


def test_what_cannot_be_done_over_says_why(platform: Platform) -> None:
    with pytest.raises(UnknownRun):
        retrying.remainder_of("none")
    with transaction(platform.engine) as connection:
        runs.queue(connection, "waits", task="app.tasks.sync_qlib", parameters={}, trigger="manual", at=AT)
    with pytest.raises(InvalidParameter, match="QUEUED"):
        retrying.remainder_of("waits")
    with transaction(platform.engine) as connection:
        leases.start(
            connection, "waits", task="app.tasks.sync_qlib", parameters={}, trigger="manual", worker=None, at=AT
        )
        leases.finish(connection, "waits", state="FAILED", error="no", error_type="E", at=AT)
    with pytest.raises(InvalidParameter, match="as a whole"):
        retrying.retry_remainder("waits")
    with transaction(platform.engine) as connection:
        assert runs.count_runs(connection) == 1
