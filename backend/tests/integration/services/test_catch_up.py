"""Catching up on the sandbox: exactly the missing cells are asked for, once, whatever ran or stopped before."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from app.errors import AlreadyRunning, SourceUnavailable
from app.market.gaps import BARS, Cell
from app.market.security import Venue
from app.services.catch_up import Limits, catch_up, plan_catch_up
from app.services.context import Context, Lease
from app.services.report import Report
from app.services.sync_daily_bars import sync_daily_bars
from app.services.sync_month_bars import sync_month_bars
from app.services.sync_securities import sync_securities
from app.sources.base import Site
from app.store import leases, sessions
from app.store.engine import transaction
from app.store.securities import find_many

TAIPEI = ZoneInfo("Asia/Taipei")
WEDNESDAY, THURSDAY, FRIDAY = (date(2026, 11, day) for day in (18, 19, 20))
LATE = datetime(2026, 11, 20, 22, 7, tzinfo=TAIPEI)
LIMITS = Limits(days=3, requests=200, seconds_per_request=2.5)
WHOLE = 1347 + 1009

Begin = Callable[..., Context]


@pytest.fixture
def begin(bench: Any) -> Begin:
    """End the run before, and begin one of its own."""
    current: list[str] = ["run-1"]

    def as_run(run_id: str, *, attempt: int = 1) -> Context:
        at = bench.context.clock()
        with transaction(bench.engine) as connection:
            if current[0] != run_id:
                leases.finish(connection, current[0], state="SUCCESS", at=at)
            leases.start(connection, run_id, task="app.tasks.test", parameters={}, trigger="manual", worker=None, at=at)
        current[0] = run_id
        return replace(bench.context, lease=Lease(run_id, token=attempt))

    return as_run


@pytest.fixture
def late(bench: Any) -> Any:
    bench.at(LATE)
    return bench


def asked(bench: Any) -> tuple[int, int]:
    """Requests of daily bars since last asked: (TWSE, TPEx)."""
    counts = bench.sandbox.requests()
    bench.sandbox.forget_requests()
    return sum(counts.get("twse", {}).values()), sum(counts.get("tpex", {}).values())


def done(bench: Any, run_id: str) -> set[tuple[str, str]]:
    """(session, venue) of the run's units."""
    rows = bench.rows("SELECT scope, venue FROM units WHERE run_id = :run AND dataset = 'daily_bars'", run=run_id)
    return {tuple(row) for row in rows}


def test_off_for_three_sessions_exactly_the_missing_cells_are_fetched_once(bench: Any, begin: Begin) -> None:
    bench.at(datetime(2026, 11, 17, 21, 0, tzinfo=TAIPEI))
    sync_daily_bars(bench.context, start=date(2026, 11, 16), end=date(2026, 11, 17))
    asked(bench)

    bench.at(LATE)  # the power came back on Friday night
    limits = replace(LIMITS, days=5)
    plan = plan_catch_up(begin("run-2"), limits)
    missing = [Cell(day, venue) for day in (FRIDAY, THURSDAY, WEDNESDAY) for venue in (Venue.TWSE, Venue.TPEX)]
    assert list(plan.cells) == missing
    assert plan.requests == {Site.TWSE: 3, Site.TPEX: 3}
    assert plan.seconds == 7.5
    assert asked(bench) == (0, 0)  # a plan asks nobody

    report = catch_up(begin("run-2"), limits)
    assert report.state == "SUCCESS"
    assert report.counts.stored == 3 * WHOLE
    assert asked(bench) == (3, 3)
    assert done(bench, "run-2") == {(str(cell.session), cell.venue.value) for cell in missing}
    assert bench.number("SELECT count(*) FROM bars") == 5 * WHOLE

    again = catch_up(begin("run-3"), limits)
    assert (again.state, again.reason) == ("SKIPPED", "No session since 2026-11-16 is missing.")
    assert asked(bench) == (0, 0)


@pytest.mark.unlisted
def test_figures_are_caught_up_with_the_bars_and_only_those_that_lack(late: Any, begin: Begin) -> None:
    limits = replace(LIMITS, days=2, datasets=(BARS, "margin", "indices"))
    plan = plan_catch_up(late.context, limits)
    assert [(step.dataset, step.venue, len(step.sessions)) for step in plan.steps[1:]] == [
        (name, venue, 2) for name in (BARS, "margin", "indices") for venue in (Venue.TWSE, Venue.TPEX)
    ]
    assert (plan.seconds, plan.measured) == (15.0, False)  # of no dataset a pace is known
    assert catch_up(late.context, limits).state == "SUCCESS"
    assert asked(late) == (6, 6)
    further = plan_catch_up(late.context, replace(limits, days=3))
    assert (len(further.cells), further.measured) == (6, True)
    assert further.seconds >= 7.5  # no faster than the quota
    held = late.rows("SELECT name, count(DISTINCT session) FROM figures JOIN datasets ON id = dataset_id GROUP BY 1")
    assert sorted(held) == [("indices", 2), ("margin", 2)]

    late.rows("DELETE FROM coverage WHERE dataset = 'margin' AND venue = 'TPEX' AND session = :d RETURNING 1", d=FRIDAY)
    report = catch_up(begin("run-2"), limits)
    assert asked(late) == (0, 1)
    assert report.details["units"] == 1
    assert catch_up(begin("run-3"), limits).state == "SKIPPED"


@pytest.mark.unlisted
def test_an_empty_database_is_filled_as_far_as_the_window_reaches(late: Any) -> None:
    plan = plan_catch_up(late.context, LIMITS)
    assert plan.requests == {Site.TWSE: 3, Site.TPEX: 3, Site.ISIN: 3}  # the lists too
    report = catch_up(late.context, LIMITS)
    assert report.counts.stored == 3 * WHOLE
    assert {day for (day,) in late.rows("SELECT DISTINCT session FROM bars")} == {WEDNESDAY, THURSDAY, FRIDAY}
    assert asked(late) == (3, 3)


def test_the_newest_session_is_left_to_the_evening_task(bench: Any) -> None:
    bench.at(datetime(2026, 11, 20, 21, 29, tzinfo=TAIPEI))
    assert plan_catch_up(bench.context, LIMITS).cells[0].session == THURSDAY


def test_one_stocks_bar_and_a_fragment_do_not_make_a_session_held(late: Any, begin: Begin) -> None:
    sync_daily_bars(late.context, start=WEDNESDAY, end=FRIDAY)
    with transaction(late.engine) as connection:
        leases.finish(connection, "run-1", state="SUCCESS", at=LATE)
    late.rows("DELETE FROM bars WHERE session = :day RETURNING 1", day=THURSDAY)
    late.rows("DELETE FROM bars WHERE session = :day AND security_id % 10 = 0 RETURNING 1", day=WEDNESDAY)
    with transaction(late.engine) as connection:
        one = list(find_many(connection, ["2330"]).values())
    sync_month_bars(begin("run-2"), one, start=THURSDAY, end=THURSDAY)
    assert late.number("SELECT count(*) FROM bars WHERE session = :day", day=THURSDAY) == 1

    asked(late)
    catch_up(begin("run-3"), LIMITS)
    assert asked(late) == (2, 2)
    assert late.rows("SELECT session, count(*) FROM bars GROUP BY 1 ORDER BY 1") == [
        (day, WHOLE) for day in (WEDNESDAY, THURSDAY, FRIDAY)
    ]


def test_a_typhoon_day_is_not_asked_for(late: Any, begin: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    from app.market import calendar

    # A calendar that takes Saturday for a session, as one did of 2024-10-31: the exchange says that it was none.
    monkeypatch.setattr(calendar, "AD_HOC", {**calendar.AD_HOC, date(2026, 11, 21): True})
    late.at(datetime(2026, 11, 21, 22, 7, tzinfo=TAIPEI))
    catch_up(late.context, replace(LIMITS, days=2))
    assert asked(late) == (2, 2)
    late.at(datetime(2026, 11, 23, 8, 7, tzinfo=TAIPEI))
    assert catch_up(begin("run-2"), replace(LIMITS, days=4)).state == "SKIPPED"
    assert asked(late) == (0, 0)


def test_nor_one_that_an_operator_declared(late: Any) -> None:
    with transaction(late.engine) as connection:
        sessions.override(connection, THURSDAY, is_open=False, reason="颱風", by="op", at=LATE)
    assert {cell.session for cell in plan_catch_up(late.context, LIMITS).cells} == {WEDNESDAY, FRIDAY}


def test_what_the_exchange_has_less_of_is_not_asked_for_each_hour(late: Any, begin: Begin) -> None:
    sync_securities(late.context)
    late.rows(  # the list knows a hundred securities of which no bars come
        "INSERT INTO securities (symbol, name, venue, kind, on_list, first_seen_at, updated_at) "
        "SELECT 'X' || n, 'x', 'TWSE', 'stock', true, now(), now() FROM generate_series(1000, 1099) n RETURNING 1"
    )
    limits = replace(LIMITS, days=1)
    report = catch_up(begin("run-2"), limits)
    assert report.state == "PARTIAL"
    assert asked(late) == (1, 1)

    late.at(LATE + timedelta(hours=1))
    waits = catch_up(begin("run-3"), limits)
    assert waits.state == "SKIPPED"
    assert "1 were tried lately" in str(waits.reason)
    late.at(LATE + timedelta(hours=25))
    assert plan_catch_up(begin("run-4"), replace(limits, days=2)).requests == {Site.TWSE: 1}
    assert asked(late) == (0, 0)


def test_what_failed_is_asked_for_again_after_an_hour(late: Any, begin: Begin) -> None:
    sync_securities(late.context)
    late.sandbox.fault("twse", "5xx", times=None)
    limits = replace(LIMITS, days=1)
    assert catch_up(begin("run-2"), limits).state == "PARTIAL"
    late.sandbox.heal()
    assert plan_catch_up(begin("run-3"), limits).cells == ()
    late.at(LATE + timedelta(hours=1))
    asked(late)
    report = catch_up(begin("run-4"), limits)
    assert (report.state, asked(late)) == ("SUCCESS", (1, 0))


def test_a_retry_of_the_same_run_goes_on_at_once(late: Any, begin: Begin) -> None:
    sync_securities(late.context)
    late.sandbox.fault("*", "5xx", times=None)
    with pytest.raises(SourceUnavailable):
        catch_up(begin("run-2"), LIMITS)
    late.sandbox.heal()
    for site in ("twse", "tpex"):
        late.context.redis.delete(f"quantlab:breaker:{site}:open", f"quantlab:breaker:{site}:failures")
    with transaction(late.engine) as connection:
        leases.give_back(connection, "run-2", 1, reason="again")
    assert catch_up(begin("run-2", attempt=2), LIMITS).counts.stored == 3 * WHOLE


def test_a_site_gets_its_share_of_requests_a_run_and_the_next_run_does_the_rest(late: Any, begin: Begin) -> None:
    limits = replace(LIMITS, requests=2)
    report = catch_up(begin("run-2"), limits)
    assert asked(late) == (2, 2)
    assert (report.state, report.reason) == ("SUCCESS", "2 sessions of a venue are left for the next run.")
    assert {day for day, _ in done(late, "run-2")} == {"2026-11-19", "2026-11-20"}  # newest first

    assert catch_up(begin("run-3"), limits).reason is None
    assert asked(late) == (1, 1)
    assert late.number("SELECT count(*) FROM bars") == 3 * WHOLE


class Killed(BaseException):
    """The process is gone: nothing after this point is done."""


def test_killed_at_60_percent_only_the_rest_is_fetched(late: Any, begin: Begin) -> None:
    limits = replace(LIMITS, days=5)  # ten cells
    sync_securities(late.context)

    def killed_at_six(number: int, total: int, what: str) -> None:
        if (number, total) == (6, 10):
            raise Killed

    with pytest.raises(Killed):
        catch_up(replace(begin("run-2"), show_progress=killed_at_six), limits)
    assert sum(asked(late)) == 6

    with transaction(late.engine) as connection:
        leases.queue_again(connection, "run-2", after=timedelta(0), reason="its worker is gone")
    report: Report = catch_up(begin("run-2", attempt=2), limits)
    assert sum(asked(late)) == 4
    assert report.counts.stored == 5 * WHOLE  # of both attempts
    assert late.number("SELECT count(*) FROM bars") == 5 * WHOLE
    assert late.number("SELECT count(*) FROM units WHERE run_id = 'run-2' AND dataset = 'daily_bars'") == 10


def test_what_another_run_brings_meanwhile_is_not_asked_for_again(late: Any, begin: Begin) -> None:
    context = begin("run-2")

    def meanwhile(number: int, total: int, what: str) -> None:
        if (number, what) == (0, "daily_bars TWSE 2026-11-20"):
            sync_daily_bars(replace(context, lease=None), start=WEDNESDAY, end=FRIDAY)

    report = catch_up(replace(context, show_progress=meanwhile), LIMITS)
    assert report.state == "SKIPPED"
    assert "another run" in str(report.reason)
    assert asked(late) == (3, 3)


def test_one_run_at_a_time_and_it_is_the_oldest(late: Any, begin: Begin) -> None:
    with transaction(late.engine) as connection:
        for number, run_id in enumerate(("run-2", "run-3")):
            leases.start(
                connection,
                run_id,
                task="app.tasks.test",
                parameters={"days": number},
                trigger="manual",
                worker=None,
                at=LATE + timedelta(seconds=number),
            )
        leases.give_back(connection, "run-2", 1, reason="the worker stops")
        leases.finish(connection, "run-1", state="SUCCESS", at=LATE)
    with pytest.raises(AlreadyRunning, match="run-2"):
        catch_up(replace(late.context, lease=Lease("run-3", 1)), LIMITS)
    assert asked(late) == (0, 0)
