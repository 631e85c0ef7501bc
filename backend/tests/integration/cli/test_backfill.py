"""Commands about history: its cost, its gaps, filling them, and waiting for a day."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, tzinfo

import pytest
from typer.testing import Result

from app.cli import backfill
from app.core import wiring
from app.core.wiring import Platform
from app.market.security import BAR_VENUES, Venue
from app.services.catch_up import Limits, plan_catch_up
from app.services.sync_daily_bars import last_days
from app.sources.base import RejectedRow
from app.store import coverage, quarantine, runs, units
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
    assert late.stderr == "", "it did not wait"
    waited = run("wait-ready", "--date", "2026-11-19", "--timeout", "0.3")
    assert (waited.exit_code, waited.stdout) == (late.exit_code, late.stdout)
    assert waited.stderr == f"Waiting, 1 s at most: {late.stdout}"
    assert (late.exit_code, "50.0% of TWSE" in late.output) == (3, True)
    only = run("wait-ready", "--date", "2026-11-19", "--timeout", "0", "--symbols", "2330")
    assert (only.exit_code, "1 traded" in only.output) == (0, True)
    with transaction(accounted.engine) as connection:
        connection.exec_driver_sql("UPDATE coverage SET expected = 100, held = 99")
    assert run("wait-ready", "--date", "2026-11-19", "--timeout", "0").exit_code == 0
    strict = run("wait-ready", "--date", "2026-11-19", "--timeout", "0", "--strict")
    assert (strict.exit_code, "2 missing: 2317 6488" in strict.output) == (3, True)
    assert run("wait-ready", "--date", "2026-11-21").exit_code == 0
    assert run("wait-ready", "--date", "20261121").exit_code == 0
    assert "is no day" in run("wait-ready", "--date", "soon").output


def test_gaps_names_them_and_fills_them(accounted: Platform, run: Run) -> None:
    told = run("gaps", "--from", "2026-11-18", "--to", "2026-11-20")
    assert told.exit_code == 3
    for text in ("2317", "6488", "2 bars missing", "4 sessions never asked for", "--fill"):
        assert text in told.output
    assert "Never asked for: 2026-11-20 (TWSE, TPEX) 2026-11-18 (TWSE, TPEX)" in told.output
    told = json.loads(run("gaps", "--from", "2026-11-18", "--to", "2026-11-20", "--json").output)
    assert [one["missing"] for one in told["covered"]] == [1, 1]
    assert told["totals"] == {
        "sessions": 2,
        "never_asked": 4,
        "expected": 3,
        "held": 1,
        "quarantined": 0,
        "explained": 0,
        "missing": 2,
    }


def test_what_waits_in_quarantine_is_no_gap_and_has_another_way_out(accounted: Platform, run: Run) -> None:
    rows = {Venue.TWSE: "2317", Venue.TPEX: "6488"}
    with transaction(accounted.engine) as connection:
        for venue, symbol in rows.items():
            wrong = [RejectedRow("ohlc-order", "out of order", {"收盤價": "1.00"}, symbol, DAY)]
            quarantine.add(connection, wrong, venue=venue, dataset="daily_bars", run_id=None, at=AT)
            coverage.account(connection, venue, [DAY], at=AT)
    told = run("gaps", "--from", "2026-11-19", "--to", "2026-11-19", "--fill")
    assert told.exit_code == 0, told.output
    for text in ("0 bars missing, 2 in quarantine", "(2317)", "(6488)"):
        assert text in told.output
    assert "quantlab quarantine list --from 2026-11-19 --to 2026-11-19" in told.output
    with transaction(accounted.engine) as connection:
        assert runs.list_unfinished(connection, "app.tasks.backfill_bars") == []


def test_a_nearly_whole_session_is_read_again_by_the_command_that_does(accounted: Platform, run: Run) -> None:
    with transaction(accounted.engine) as connection:
        connection.exec_driver_sql("UPDATE coverage SET expected = 1000, held = 999, missing = 1")
    told = run("gaps", "--from", "2026-11-19", "--to", "2026-11-19")
    assert told.exit_code == 3
    assert "quantlab backfill bars --from 2026-11-19 --to 2026-11-19 --again" in told.output
    assert "--fill" not in told.output


def test_all_well_differs_from_nothing_known(accounted: Platform, run: Run) -> None:
    with transaction(accounted.engine) as connection:
        connection.exec_driver_sql("UPDATE coverage SET held = expected, missing = 0")
    told = run("gaps", "--from", "2026-11-19", "--to", "2026-11-19", "--json")
    assert told.exit_code == 0
    well = json.loads(told.output)
    assert (well["from"], well["to"], well["covered"], well["never_asked"]) == ("2026-11-19", "2026-11-19", [], [])
    assert (well["totals"]["sessions"], well["totals"]["held"]) == (2, 3)
    empty = json.loads(run("gaps", "--from", "2026-11-21", "--to", "2026-11-22", "--json").output)  # a weekend
    assert empty["totals"]["sessions"] == 0


def test_thirty_days_are_the_same_everywhere(platform: Platform, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backfill, "datetime", _Frozen)
    first, last = last_days(platform.context(), 30, None)  # what `quantlab sync bars --days 30` asks for
    told = json.loads(run("gaps", "--json").output)
    assert (told["from"], told["to"]) == (str(first), str(last))
    plan = plan_catch_up(platform.context(), Limits(days=30, requests=200, seconds_per_request=1.0))
    assert str(plan.first) == told["from"]


class _Frozen(datetime):
    """Today is the day of this file's clock."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:
        return AT.astimezone(tz)


def test_the_cost_is_that_of_the_last_sessions(accounted: Platform, run: Run) -> None:
    with transaction(accounted.engine) as connection:
        runs.queue(connection, "before", task="t", parameters={}, trigger="manual", at=AT)
        for number, seconds in enumerate((0, 7, 15, 22, 300)):  # 7, 8, 7, and 278 in which it had made room
            units.record(
                connection,
                "before",
                dataset="daily_bars",
                venue=Venue.TWSE,
                scope=str(number),
                state="SUCCESS",
                at=AT + timedelta(seconds=seconds),
            )
        connection.exec_driver_sql("UPDATE coverage SET held = expected, missing = 0")
    told = run("backfill", "bars", "--from", "2026-11-18", "--to", "2026-11-20", "--plan")
    assert "4 sessions of a venue to fetch, 2 held: 2 of twse, 2 of tpex, about 30 s." in told.output
    again = run("backfill", "bars", "--from", "2026-11-18", "--to", "2026-11-20", "--again", "--plan")
    assert "6 sessions of a venue to fetch, 2 of them held: 3 of twse, 3 of tpex, about 45 s." in again.output


def test_only_venues_with_whole_markets_are_offered(accounted: Platform, run: Run) -> None:
    for words in (("backfill", "bars", "--from", "2026-11-18"), ("gaps",)):
        refused = run(*words, "--venue", "emerging")
        assert refused.exit_code == 2
        assert "EMERGING" not in run(*words, "--help").output.upper()


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


def test_pause_and_resume(seeded: Platform, run: Run) -> None:
    assert "None. Start one" in run("backfill", "list").output
    run("backfill", "bars", "--from", "2026-11-02", "--to", "2026-11-06", "--no-wait")
    (found,) = json.loads(run("backfill", "list", "--json").output)
    paused = run("backfill", "pause", found["run"][:8])
    assert (paused.exit_code, "is paused" in paused.output) == (0, True)
    listed = run("backfill", "list").output
    assert ("paused by" in listed, "10" in listed) == (True, True)
    assert "goes on" in run("backfill", "resume", found["run"][:8]).output
    assert json.loads(run("backfill", "list", "--json").output)[0]["paused_by"] is None
