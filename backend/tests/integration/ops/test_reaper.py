"""When a run that lost its worker is given up, and when it goes on."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import Engine, text

from app.market.security import Venue
from app.ops.reaper import Reaper
from app.store import leases, runs, units
from app.store.engine import transaction


def now() -> datetime:
    return datetime.now(UTC)


def lose(engine: Engine, number: int, *, unit: bool) -> str:
    """One attempt whose worker is killed, after a unit or before any; returns the run's state after the reaper."""
    with transaction(engine) as connection:
        connection.execute(text("UPDATE runs SET run_after = NULL"))
        leases.start(connection, "a", task="t", parameters={}, trigger="manual", worker="w", at=now())
        if unit:
            units.record(connection, "a", dataset="d", venue=Venue.TWSE, scope=str(number), state="SUCCESS", at=now())
        connection.execute(text("UPDATE runs SET lease_until = now() - interval '1 s' WHERE state = 'STARTED'"))
    Reaper(engine, clock=now, look=lambda _: None, settled=lambda _: None).reap()
    with transaction(engine) as connection:
        run = runs.get(connection, "a")
    return run.state


def test_a_long_run_that_gets_on_outlives_any_number_of_kills(engine: Engine) -> None:
    assert [lose(engine, number, unit=True) for number in range(8)] == ["QUEUED"] * 8


def test_a_run_that_kills_its_workers_without_getting_on_ends_at_the_fourth(engine: Engine) -> None:
    lose(engine, 0, unit=True)
    states = [lose(engine, number, unit=False) for number in range(1, 4)]
    assert states == ["QUEUED", "QUEUED", "FAILED"]
