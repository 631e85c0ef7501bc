"""Commands about history: its cost, its gaps, filling them, and waiting for a day."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime

import pytest
from typer.testing import Result

from app.core import wiring
from app.core.wiring import Platform
from app.market.security import BAR_VENUES, Venue
from app.store import coverage, runs
from app.store.engine import transaction

AT = datetime(2026, 11, 20, 14, 7, tzinfo=UTC)
DAY = date(2026, 11, 19)
Run = Callable[..., Result]


@pytest.fixture(autouse=True)
def _friday_night(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wiring, "now", lambda: AT)


@pytest.fixture
def accounted(seeded: Platform) -> Platform:
    """TWSE's 2317 has no bar of that day; TPEx' 6488 neither."""
    with transaction(seeded.engine) as connection:
        for venue in BAR_VENUES:
            coverage.account(connection, venue, [DAY], at=AT)
    return seeded


def test_wait_ready_is_an_exit_code(accounted: Platform, run: Run) -> None:
    late = run("wait-ready", "--date", "2026-11-19", "--timeout", "0")
    assert (late.exit_code, "50.0% of TWSE" in late.output) == (3, True)
    assert run("wait-ready", "--date", "2026-11-21").exit_code == 0
    assert run("wait-ready", "--date", "20261121").exit_code == 0
    assert "is no day" in run("wait-ready", "--date", "soon").output


def test_gaps_names_them_and_fills_them(accounted: Platform, run: Run) -> None:
    told = run("gaps", "--from", "2026-11-18", "--to", "2026-11-20")
    assert told.exit_code == 3
    for text in ("2317", "6488", "2 bars missing", "4 sessions never asked for", "--fill"):
        assert text in told.output
    told = run("gaps", "--from", "2026-11-18", "--to", "2026-11-20", "--json")
    assert [one["missing"] for one in json.loads(told.output)["covered"]] == [1, 1]


def test_backfill_says_its_cost_before_anything_else(accounted: Platform, run: Run) -> None:
    told = run("backfill", "bars", "--from", "2026-11-18", "--to", "2026-11-20", "--plan")
    assert told.exit_code == 0
    assert "6 sessions of a venue to fetch, 0 held: 3 of twse, 3 of tpex" in told.output
    asked = run("backfill", "bars", "--from", "2026-11-18", "--to", "2026-11-20", "--venue", "tpex", "--no-wait")
    assert asked.exit_code == 0, asked.output
    with transaction(accounted.engine) as connection:
        (one,) = runs.list_unfinished(connection, "app.tasks.backfill_bars")
    assert one.parameters == {"start": "2026-11-18", "end": "2026-11-20", "venue": Venue.TPEX.value}
    assert (one.queue, one.priority) == ("backfill", 1)
    wrong = run("backfill", "bars", "--from", "2003-01-01")
    assert (wrong.exit_code, "begin at 2004-02-11" in str(wrong.exception)) == (1, True)
