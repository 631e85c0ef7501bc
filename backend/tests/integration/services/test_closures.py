"""A venue that says nothing of a session: closed only if it says so late, and if no venue traded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from app.errors import NoData
from app.market.gaps import BARS
from app.market.security import Venue
from app.ops.alerts.promises import Due, bars_of
from app.services import readiness
from app.services.catch_up import Limits, catch_up
from app.services.context import Context, Lease
from app.services.replay import replay_archive
from app.services.report import Report
from app.services.sync_daily_bars import sync_daily_bars
from app.services.sync_figures import sync_figures
from app.services.sync_securities import sync_securities
from app.sources import registry
from app.sources.base import Site
from app.store import leases, sessions, watched
from app.store.engine import transaction

TAIPEI = ZoneInfo("Asia/Taipei")
THURSDAY, FRIDAY = date(2026, 11, 19), date(2026, 11, 20)
LISTED = {Venue.TWSE: 1347, Venue.TPEX: 1009}


class Mute:
    """A client to whom some sites answer that there is nothing, with a note of what was asked."""

    def __init__(self, client: Any) -> None:
        self.client, self.asked = client, list[str]()
        self.silent: set[Site] = set()

    def fetch(self, dataset: Any, query: Any) -> Any:
        site = dataset.request(query).site
        if site is not Site.ISIN:
            self.asked.append(f"{dataset.name} {site}")
            if site in self.silent:
                raise NoData("It has nothing.", site=site)
        return self.client.fetch(dataset, query)

    def since(self) -> list[str]:
        asked, self.asked = self.asked, []
        return sorted(asked)


@pytest.fixture
def mute(bench: Any) -> Mute:
    return Mute(bench.context.client)


@pytest.fixture
def context(bench: Any, mute: Mute) -> Context:
    given: Context = replace(bench.context, client=mute)
    return given


@pytest.fixture
def caught_up(bench: Any, context: Context) -> Callable[..., Report]:
    """Catch up at an instant, as a run of its own."""
    current = ["run-1"]

    def run(at: datetime, limits: Limits) -> Report:
        bench.at(at)
        with transaction(bench.engine) as connection:
            leases.finish(connection, current[0], state="SUCCESS", at=at)
            current[0] = f"{at:%d-%H%M}"
            leases.start(
                connection, current[0], task="app.tasks.test", parameters={}, trigger="manual", worker=None, at=at
            )
        return catch_up(replace(context, lease=Lease(current[0], token=1)), limits)

    return run


def friday(hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 11, 20, hour, minute, tzinfo=TAIPEI)


def counted(bench: Any) -> dict[str, tuple[int, dict[str, int], int]]:
    rows = bench.rows("SELECT venue, held, explained, missing FROM coverage WHERE session = :day", day=FRIDAY)
    return {venue: (held, explained, missing) for venue, held, explained, missing in rows}


def promised(bench: Any, venue: Venue) -> list[str]:
    with transaction(bench.engine) as connection:
        held = watched.coverage(connection, venue, [FRIDAY])
    facts: Any = SimpleNamespace(coverage=lambda venue, days: held)
    return bars_of(venue)(facts, [Due(FRIDAY, friday(21, 30))])


@pytest.mark.parametrize("silent", [Site.TWSE, Site.TPEX])
def test_a_venue_that_is_late_is_not_closed(
    bench: Any, context: Context, mute: Mute, caught_up: Callable[..., Report], silent: Site
) -> None:
    venue = Venue(silent.value.upper())
    mute.silent = {silent}

    bench.at(friday(14, 30))
    early = sync_daily_bars(context, start=FRIDAY, end=FRIDAY)
    assert early.details["by_state"] == {"SUCCESS": 1, "SKIPPED": 1}
    assert readiness.look(context, FRIDAY).reason == f"daily_bars of 2026-11-20: nothing of {venue} is held."

    for minute in (0, 30):
        bench.at(friday(21, minute))
        report = sync_daily_bars(context, start=FRIDAY, end=FRIDAY)
        assert report.state == "PARTIAL"
        assert counted(bench)[venue] == (0, {}, LISTED[venue])
        assert not readiness.look(context, FRIDAY).ready
    assert promised(bench, venue) == [f"of 2026-11-20 0 are held ({LISTED[venue]:,} securities were listed)"]

    mute.since()
    limits = Limits(days=1, requests=200, seconds_per_request=2.5)
    assert caught_up(friday(22, 7), limits).state == "SKIPPED", "it was asked half an hour ago"
    mute.silent = set()
    assert caught_up(friday(23, 7), limits).state == "SUCCESS"
    assert mute.since() == [f"daily_bars {silent}"]
    assert readiness.look(context, FRIDAY).ready
    assert promised(bench, venue) == []


def test_the_first_venue_is_called_closed_until_the_second_traded(bench: Any, context: Context, mute: Mute) -> None:
    mute.silent = {Site.TWSE}
    report = sync_daily_bars(context, start=FRIDAY, end=FRIDAY)
    assert report.state == "PARTIAL"
    assert "TWSE answered that there was no session, which is not so and is taken back." in str(report.reason)
    assert bench.rows("SELECT venue, is_open FROM sessions") == [("TPEX", True)]
    assert counted(bench) == {"TWSE": (0, {}, 1347), "TPEX": (982, {"no_trade": 27}, 0)}


def test_both_are_late(bench: Any, context: Context, mute: Mute) -> None:
    mute.silent = {Site.TWSE, Site.TPEX}
    bench.at(friday(17, 59))
    report = sync_daily_bars(context, start=FRIDAY, end=FRIDAY)
    assert report.state == "SKIPPED"
    assert "from 18:00 on the same answer means that there was no session" in str(report.reason)
    assert (bench.number("SELECT count(*) FROM sessions"), counted(bench)) == (0, {})
    assert not readiness.look(context, FRIDAY).ready


def test_a_replay_later_makes_no_closure_of_an_early_answer(bench: Any) -> None:
    sync_securities(bench.context)
    bench.at(friday(11))
    sync_daily_bars(bench.context, start=FRIDAY, end=FRIDAY)
    bench.at(friday(11) + timedelta(days=1))
    report = replay_archive(bench.context, start=FRIDAY, end=FRIDAY)
    assert report.state == "SKIPPED"
    assert "has nothing of 2026-11-20 yet" in str(report.reason)
    assert bench.number("SELECT count(*) FROM sessions") == 0


def test_a_typhoon_is_a_closure_for_everybody_who_asks(bench: Any, context: Context, mute: Mute) -> None:
    mute.silent = {Site.TWSE, Site.TPEX}
    bench.at(friday(18))
    assert sync_daily_bars(context, start=FRIDAY, end=FRIDAY).state == "SUCCESS"
    found = readiness.look(context, FRIDAY)
    assert (found.ready, found.reason) == (
        True,
        "daily_bars of 2026-11-20 is complete: TWSE was closed; TPEX was closed.",
    )
    assert readiness.look(context, FRIDAY, dataset="margin").ready
    assert promised(bench, Venue.TWSE) == promised(bench, Venue.TPEX) == []

    with transaction(bench.engine) as connection:
        sessions.override(connection, FRIDAY, is_open=True, reason="it was open", by="op", at=friday(19))
    assert readiness.look(context, FRIDAY).reason == (
        "daily_bars of 2026-11-20: nothing of TWSE is held; nothing of TPEX is held."
    )
    assert promised(bench, Venue.TWSE) != []


@pytest.mark.parametrize("first", [16, 21])
def test_figures_of_a_closed_day_are_not_asked_for(
    bench: Any, context: Context, mute: Mute, caught_up: Callable[..., Report], first: int
) -> None:
    bench.at(friday(8))
    sync_daily_bars(context, start=THURSDAY, end=THURSDAY)
    sync_figures(context, start=THURSDAY, end=THURSDAY)
    mute.silent = {Site.TWSE, Site.TPEX}
    bench.at(friday(first))
    sync_daily_bars(context, start=FRIDAY, end=FRIDAY)
    mute.since()
    limits = Limits(days=2, requests=200, seconds_per_request=2.5, datasets=(BARS, *registry.figures()))
    reports = [caught_up(friday(22, 7) + timedelta(hours=hours), limits) for hours in range(5)]
    # In the afternoon it meant nothing: bars are asked for once more in the evening, and tell of the figures too.
    assert mute.since() == (["daily_bars tpex", "daily_bars twse"] if first < 18 else [])
    assert {one.state for one in reports[1:]} == {"SKIPPED"}


def test_figures_of_a_day_of_which_nobody_knows_wait_longer_each_time(
    bench: Any, context: Context, mute: Mute, caught_up: Callable[..., Report]
) -> None:
    mute.silent = {Site.TWSE, Site.TPEX}
    limits = Limits(days=1, requests=200, seconds_per_request=2.5, datasets=("margin",))
    asked = []
    for hours in range(9):
        caught_up(friday(22, 40) + timedelta(hours=hours), replace(limits, days=1 if hours < 2 else 2))
        asked.append(len(mute.since()))
    assert asked == [2, 2, 0, 2, 0, 0, 0, 2, 0]
