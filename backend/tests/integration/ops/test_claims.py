"""Claims on a real PostgreSQL: whatever schedulers, crashes and clocks do, each due tick is one run with its reason."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, text

from app.errors import StoreUnavailable
from app.ops.claims import MOST, claim_due
from app.ops.declared import Schedule
from app.ops.timings import parse_timing
from app.store import schedules
from app.store.engine import transaction
from tests.conftest import wait_until

TAIPEI = ZoneInfo("Asia/Taipei")
START = datetime(2026, 11, 2, 0, 0, 30, tzinfo=TAIPEI)
"""A Monday; no holiday of November 2026 falls on a weekday, so sessions are the weekdays."""

Minute = Callable[[datetime], bool]

# What each timing means, minute by minute: told without any code of the application.
MEANINGS: dict[str, Minute] = {
    "0 21 * * *": lambda at: (at.hour, at.minute) == (21, 0),
    "*/20 * * * 1-3": lambda at: at.minute in (0, 20, 40) and at.weekday() in (0, 1, 2),
    "sessions 5 8,21 * * *": lambda at: (at.hour, at.minute) in ((8, 5), (21, 5)) and at.weekday() < 5,
    "in session */15 9-13 * * *": lambda at: (
        at.weekday() < 5 and at.minute % 15 == 0 and (9, 0) <= (at.hour, at.minute) <= (13, 30)
    ),
    "close+90m": lambda at: (at.hour, at.minute) == (15, 0) and at.weekday() < 5,
    "open-10h": lambda at: (at.hour, at.minute) == (23, 0) and (at + timedelta(days=1)).weekday() < 5,
    "every 30m": lambda at: at.minute in (0, 30),
}


def ticks_by_hand(timing: str, after: datetime, until: datetime) -> list[datetime]:
    minute = after.replace(second=0) + timedelta(minutes=1)
    minutes = itertools.takewhile(lambda at: at <= until, (minute + timedelta(minutes=n) for n in itertools.count()))
    return [at for at in minutes if MEANINGS[timing](at)]


def runs_of(connection: Connection, name: str) -> dict[datetime, tuple[str, str | None]]:
    rows = connection.execute(text("SELECT due_at, state, reason FROM runs WHERE schedule = :name"), {"name": name})
    found = [(row.due_at.astimezone(TAIPEI), row.state, row.reason) for row in rows]
    assert len({due_at for due_at, _, _ in found}) == len(found), "a tick has two runs"
    return {due_at: (state, reason) for due_at, state, reason in found}


class Told:
    """The oracle: which tick is claimed when, and what becomes of it, by the words of the issue."""

    def __init__(self, timing: str, misfire: str, late_limit: int | None) -> None:
        self.timing, self.misfire = timing, misfire
        self.limit = timedelta.max if late_limit is None else timedelta(seconds=late_limit)
        self.until = START
        self.states: dict[datetime, str] = {}

    def claim(self, now: datetime) -> None:
        due = ticks_by_hand(self.timing, self.until, now) if now > self.until else []
        self.until = max(self.until, now)
        in_time = [at for at in due if now - at <= self.limit]
        if self.misfire == "latest":
            runs = in_time[-1:]
        elif self.misfire == "skip":
            runs = [at for at in in_time if now - at <= timedelta(seconds=60)]
        else:
            runs = in_time
        if self.misfire == "latest" and runs:
            self.states = dict.fromkeys(self.states, "SKIPPED")  # nobody had begun them
        self.states |= {at: "QUEUED" if at in runs else "SKIPPED" for at in due}


steps = st.lists(
    st.tuples(
        st.sampled_from(["claim", "claim", "claim", "crash"]),
        # Mostly a little forward; sometimes an outage, sometimes a clock set back.
        st.one_of(st.integers(1, 90), st.integers(-120, 0), st.integers(300, 3_000)),
    ),
    min_size=1,
    max_size=12,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    timing=st.sampled_from(sorted(MEANINGS)),
    misfire=st.sampled_from(["skip", "latest", "all"]),
    late_limit=st.sampled_from([None, 60, 3600, 12 * 3600]),
    steps=steps,
)
def test_any_order_of_schedulers_crashes_and_clocks(
    engine: Engine,
    timing: str,
    misfire: Literal["skip", "latest", "all"],
    late_limit: int | None,
    steps: list[tuple[str, int]],
) -> None:
    schedule = Schedule(
        "s", "app.tasks.sync_qlib", parse_timing(timing), misfire=misfire, late_limit=late_limit, queue="export"
    )
    told, now = Told(timing, misfire, late_limit), START
    with engine.connect() as connection:
        claim_due(connection, schedule, now=START)  # the first sight of it: nothing before is owed
        for what, minutes in steps:
            now += timedelta(minutes=minutes, seconds=7)
            with connection.begin_nested() as attempt:
                claim_due(connection, schedule, now=now)
                if what == "crash":
                    attempt.rollback()
            if what == "claim":
                told.claim(now)
        found = runs_of(connection, "s")
        assert {at: state for at, (state, _) in found.items()} == told.states
        assert all(reason for state, reason in found.values() if state == "SKIPPED")
        assert all(reason is None for state, reason in found.values() if state == "QUEUED")
        connection.rollback()


def queued_and_skipped(engine: Engine, schedule: Schedule, *, off: timedelta) -> tuple[list[datetime], dict[str, int]]:
    with transaction(engine) as connection:
        claim_due(connection, schedule, now=START)
    while True:
        with transaction(engine) as connection:
            if not claim_due(connection, schedule, now=START + off).more:
                break
    with transaction(engine) as connection:
        found = runs_of(connection, schedule.name)
    reasons: dict[str, int] = {}
    for state, reason in found.values():
        if state == "SKIPPED" and reason:
            reasons[reason] = reasons.get(reason, 0) + 1
    return sorted(at for at, (state, _) in found.items() if state == "QUEUED"), reasons


def test_a_year_of_missed_minutes_is_500_lines(engine: Engine) -> None:
    schedule = Schedule("minutes", "app.tasks.sync_qlib", parse_timing("* * * * *"), late_limit=3600)
    queued, reasons = queued_and_skipped(engine, schedule, off=timedelta(days=365))
    assert queued == [START.replace(second=0) + timedelta(days=365)]
    by_kind = {reason.split(".")[0].split(":")[0]: 0 for reason in reasons}
    for reason, number in reasons.items():
        by_kind[reason.split(".")[0].split(":")[0]] += number
    assert by_kind["Too late"] == MOST
    assert sum("too many to list" in reason for reason in reasons) == 1
    assert sum(number for reason, number in reasons.items() if reason.startswith("Superseded")) == 59


def test_all_runs_each_missed_tick_however_many(engine: Engine) -> None:
    schedule = Schedule("each", "app.tasks.sync_qlib", parse_timing("* * * * *"), misfire="all")
    queued, reasons = queued_and_skipped(engine, schedule, off=timedelta(minutes=2 * MOST + 7))
    assert len(queued) == 2 * MOST + 7
    assert not reasons


def test_expiry_queue_and_parameters_are_the_runs(engine: Engine) -> None:
    schedule = Schedule(
        "whole",
        "app.tasks.sync_daily_prices",
        parse_timing("0 21 * * *"),
        parameters={"days": 3},
        queue="data_sync",
        priority=7,
        late_limit=3600,
    )
    with transaction(engine) as connection:
        claim_due(connection, schedule, now=START)
        now = START.replace(hour=21)
        claim = claim_due(connection, schedule, now=now)
        assert (claim.queued, claim.skipped, claim.newest) == (1, 0, now.replace(second=0))
        (row,) = connection.execute(text("SELECT * FROM runs")).all()
    assert (row.state, row.trigger, row.parameters, row.queue, row.priority) == (
        "QUEUED",
        "schedule",
        {"days": 3},
        "data_sync",
        7,
    )
    assert (row.due_at, row.expires_at, row.queued_at) == (now.replace(second=0), now.replace(hour=22, second=0), now)
    assert row.sent_at is None


def test_a_newer_tick_ends_the_one_that_still_waits(engine: Engine) -> None:
    schedule = Schedule("quarters", "app.tasks.sync_latest_prices", parse_timing("*/15 * * * *"))
    with transaction(engine) as connection:
        for minute in (0, 15, 30):
            claim_due(connection, schedule, now=START.replace(hour=10, minute=minute))
            if minute == 15:
                connection.execute(
                    text("UPDATE runs SET state = 'STARTED', attempts = 1, lease_until = now() WHERE due_at = :due"),
                    {"due": START.replace(hour=10, minute=15, second=0)},
                )
        found = runs_of(connection, "quarters")
    assert [state for _, (state, _) in sorted(found.items())] == ["STARTED", "QUEUED"]  # 10:00 was its first sight
    with transaction(engine) as connection:
        claim_due(connection, schedule, now=START.replace(hour=10, minute=45))
        found = runs_of(connection, "quarters")
    assert [state for _, (state, _) in sorted(found.items())] == ["STARTED", "SKIPPED", "QUEUED"]
    assert found[START.replace(hour=10, minute=30, second=0)][1] == (
        "Superseded by the run of 2026-11-02 10:45: nobody had begun it."
    )


def test_an_operators_word_holds_and_a_pause_owes_nothing(engine: Engine) -> None:
    schedule = Schedule("word", "app.tasks.sync_qlib", parse_timing("0 21 * * *"))
    noon = START.replace(hour=12)
    with transaction(engine) as connection:
        claim_due(connection, schedule, now=START)
        schedules.override(connection, "word", {"timing": "0 9 * * *", "misfire": "skip"}, by="test", at=START)
        claim_due(connection, schedule, now=noon)
        assert [(at.hour, state) for at, (state, _) in runs_of(connection, "word").items()] == [(9, "SKIPPED")]
        schedules.override(connection, "word", {"enabled": False}, by="test", at=noon)
        claim_due(connection, schedule, now=noon + timedelta(days=3))
        assert len(runs_of(connection, "word")) == 1
        schedules.override(connection, "word", {"enabled": None, "timing": "tomorrow"}, by="test", at=noon)
        claim_due(connection, schedule, now=noon + timedelta(days=3, hours=9))
        assert max(runs_of(connection, "word")).hour == 21  # what is not understood leaves the default


def test_one_that_another_scheduler_holds_is_left_to_it(engine: Engine) -> None:
    schedule = Schedule("held", "app.tasks.sync_qlib", parse_timing("0 21 * * *"))
    with transaction(engine) as first:
        claim_due(first, schedule, now=START)
    with transaction(engine) as first:
        assert claim_due(first, schedule, now=START.replace(hour=21)).queued == 1
        with transaction(engine) as second:
            assert claim_due(second, schedule, now=START.replace(hour=21)).queued == 0
    with transaction(engine) as second:
        assert claim_due(second, schedule, now=START.replace(hour=21)).queued == 0


def test_a_frozen_holder_loses_the_row(engine: Engine) -> None:
    with transaction(engine) as connection:
        schedules.lock(connection, "frozen", at=START)

    def is_free() -> bool:
        with transaction(engine) as other:
            return schedules.lock(other, "frozen", at=START) is not None

    def freeze_and_wake() -> None:
        with transaction(engine) as frozen:
            assert schedules.lock(frozen, "frozen", at=START, idle_limit="200ms")
            wait_until(is_free, within=10, what="the row of a holder that stopped")
            schedules.advance(frozen, "frozen", START + timedelta(days=9))

    with pytest.raises(StoreUnavailable):
        freeze_and_wake()
    with transaction(engine) as connection:
        assert schedules.read_all(connection)["frozen"].claimed_until == START
