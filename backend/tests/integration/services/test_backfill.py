"""Backfill and replay on the sandbox: exactly what is not held is asked for; the archive gives the same tables."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from app.errors import GivenBack, InvalidParameter
from app.market.security import Venue
from app.services.backfill import ATTEMPT, Wanted, backfill_bars, plan_backfill
from app.services.context import Lease
from app.services.replay import replay_archive
from app.services.sync_corporate_actions import sync_corporate_actions
from app.services.sync_figures import sync_figures
from app.store import leases, outbox, pausing
from app.store.coverage import read_coverage
from app.store.engine import transaction

TAIPEI = ZoneInfo("Asia/Taipei")
MONDAY, FRIDAY = date(2026, 11, 16), date(2026, 11, 20)
WEEK = Wanted(MONDAY, FRIDAY)


@pytest.fixture(name="bench")
def late(bench: Any) -> Any:
    bench.at(datetime(2026, 11, 20, 22, 0, tzinfo=TAIPEI))
    return bench


def asked(bench: Any) -> tuple[int, int]:
    counts = bench.sandbox.requests()
    bench.sandbox.forget_requests()
    return sum(counts.get("twse", {}).values()), sum(counts.get("tpex", {}).values())


def tables(bench: Any) -> dict[str, list[Any]]:
    return {
        "bars": bench.rows(
            "SELECT b.session, s.symbol, open, high, low, close, change, volume, turnover, trades "
            "FROM bars b JOIN securities s ON s.id = b.security_id ORDER BY 1, 2"
        ),
        "securities": bench.rows("SELECT symbol, name, venue, kind, listed_on FROM securities ORDER BY 1"),
        "coverage": bench.rows(
            "SELECT dataset, venue, session, expected, held, quarantined, explained, missing FROM coverage "
            "ORDER BY 1, 2, 3"
        ),
        "figures": bench.rows(
            "SELECT d.name, session, symbol, values FROM figures JOIN datasets d ON d.id = dataset_id ORDER BY 1, 2, 3"
        ),
        "actions": bench.rows(
            "SELECT s.symbol, ex_date, a.kind, previous_close, reference_price, cash_reference, note, withdrawn "
            "FROM corporate_actions a JOIN securities s ON s.id = security_id ORDER BY 1, 2, 3"
        ),
        "halts": bench.rows(
            "SELECT s.symbol, first, last, reason FROM halts JOIN securities s ON s.id = security_id ORDER BY 1, 2"
        ),
    }


def test_only_what_is_not_held_is_asked_for(bench: Any) -> None:
    free = replace(bench.context, lease=None)
    assert backfill_bars(free, Wanted(FRIDAY, FRIDAY)).state == "SUCCESS"
    asked(bench)
    plan = plan_backfill(free, WEEK, seconds_per_request=2.5)
    assert (len(plan.cells), plan.held, plan.seconds) == (8, 2, 10.0)
    assert [str(cell.session) for cell in plan.cells[:2]] == ["2026-11-19", "2026-11-19"], "newest first"
    assert asked(bench) == (0, 0), "a plan asks nobody"

    report = backfill_bars(free, WEEK)
    assert (report.state, report.details["by_state"]) == ("SUCCESS", {"SUCCESS": 8})
    assert asked(bench) == (4, 4)
    assert backfill_bars(free, WEEK).state == "SKIPPED"
    assert asked(bench) == (0, 0)
    again = backfill_bars(free, replace(WEEK, again=True, venue=Venue.TWSE))
    assert asked(bench) == (5, 0)
    assert (again.counts.stored, again.counts.unchanged) == (0, 5 * 1347)


def test_every_cell_is_accounted_for(bench: Any) -> None:
    backfill_bars(bench.context, WEEK)
    with transaction(bench.engine) as connection:
        covered = read_coverage(connection, start=MONDAY, end=FRIDAY)
    assert len(covered) == 10
    for one in covered:
        assert one.expected == one.held + one.quarantined + sum(one.explained.values()) + one.missing
        assert (one.missing, one.share) == (0, 1.0)


def test_a_long_run_goes_on_in_parts(bench: Any) -> None:
    with pytest.raises(GivenBack, match="goes on in parts"):
        backfill_bars(replace(bench.context, clock=_passing(bench)), WEEK)
    done = bench.number("SELECT count(*) FROM units WHERE dataset = 'daily_bars'")
    assert done == 6, "six sixths of an attempt"
    with transaction(bench.engine) as connection:
        leases.give_back(connection, "run-1", 1, reason="as the task does")
        at = bench.context.clock()
        leases.start(connection, "run-1", task="t", parameters={}, trigger="manual", worker=None, at=at)
    asked(bench)
    report = backfill_bars(replace(bench.context, lease=Lease("run-1", token=2)), WEEK)
    assert (report.state, report.details["by_state"]) == ("SUCCESS", {"SUCCESS": 10}), "the report is of the whole run"
    assert sum(asked(bench)) == 10 - done, "what the first part did is not asked for again"


def test_a_paused_run_waits_and_then_asks_only_for_what_is_missing(bench: Any) -> None:
    def pause(done: int, total: int, _: str) -> None:
        if (done, total) == (3, 10):
            with transaction(bench.engine) as connection:
                assert pausing.pause(connection, "run-1", by="ann")

    with pytest.raises(GivenBack, match=r"ann paused it\."):
        backfill_bars(replace(bench.context, show_progress=pause), WEEK)
    done = bench.number("SELECT count(*) FROM units WHERE dataset = 'daily_bars'")
    assert done == 4, "the session in hand was ended"
    given = {"task": "t", "parameters": {}, "trigger": "manual", "worker": None, "at": bench.context.clock()}
    with transaction(bench.engine) as connection:
        leases.give_back(connection, "run-1", 1, reason="as the task does")
        assert outbox.take(connection, caps={}) == [], "nobody sends it, whatever was restarted meanwhile"
        assert leases.start(connection, "run-1", **given).token is None, "a message that was on its way is for nothing"
        assert not pausing.pause(connection, "run-1", by="bob"), "once"
        assert pausing.resume(connection, "run-1")
        assert [run.id for run in outbox.take(connection, caps={})] == ["run-1"]
        assert leases.start(connection, "run-1", **given).token == 2
    asked(bench)
    report = backfill_bars(replace(bench.context, lease=Lease("run-1", token=2)), WEEK)
    assert (report.state, report.details["by_state"]) == ("SUCCESS", {"SUCCESS": 10})
    assert sum(asked(bench)) == 10 - done


def _passing(bench: Any) -> Callable[[], datetime]:
    """A clock that goes on by a sixth of an attempt whenever a unit has been stored."""
    clock = bench.context.clock

    def now() -> datetime:
        done = bench.number("SELECT count(*) FROM units WHERE dataset = 'daily_bars'")
        moment: datetime = clock() + done * ATTEMPT / 6
        return moment

    return now


@pytest.mark.parametrize(
    ("start", "end", "venue", "sentence"),
    [
        (date(2004, 2, 10), FRIDAY, None, "begin at 2004-02-11"),
        (FRIDAY, MONDAY, None, "is before start"),
        (MONDAY, FRIDAY, Venue.EMERGING, "publishes no daily bars"),
    ],
)
def test_a_wrong_range_is_refused(start: date, end: date, venue: Venue | None, sentence: str) -> None:
    with pytest.raises(InvalidParameter, match=sentence):
        Wanted(start, end, venue)


@pytest.mark.unlisted
def test_the_archive_alone_gives_the_same_tables(bench: Any) -> None:
    backfill_bars(bench.context, WEEK)
    sync_figures(bench.context, start=FRIDAY, end=FRIDAY, datasets=["institutional", "valuation"])
    sync_corporate_actions(bench.context, start=date(2026, 9, 1), end=FRIDAY)
    before = tables(bench)
    assert len(before["actions"]) > 20
    assert len(before["figures"]) > 1000
    assert len(before["bars"]) == 5 * (1347 + 1009)
    asked(bench)
    with transaction(bench.engine) as connection:
        for table in (
            "figures",
            "datasets",
            "corporate_actions",
            "halts",
            "bars",
            "coverage",
            "revisions",
            "securities",
            "units",
            "sessions",
        ):
            connection.exec_driver_sql(f"TRUNCATE {table}")

    assert replay_archive(bench.context, start=date(2026, 9, 1), end=FRIDAY).state == "SUCCESS"
    assert tables(bench) == before
    assert sum(sum(paths.values()) for paths in bench.sandbox.requests().values()) == 0, "without one request"
    nothing = replay_archive(bench.context, start=MONDAY - timedelta(days=300), end=MONDAY - timedelta(days=200))
    assert nothing.state == "SKIPPED"
