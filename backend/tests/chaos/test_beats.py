"""Two beats live through ten days in a minute, are killed again and again, and each due tick runs once."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from tests.chaos.ordeal import bring_up
from tests.chaos.stage import Stage
from tests.conftest import wait_until

BEGIN = datetime(2025, 6, 2, 0, 30, tzinfo=UTC)
"""A Monday, 08:30 Taipei. No holiday follows within ten days."""
TAIPEI = timedelta(hours=8)
DAYS = 10
SECONDS = 50
"""How long the ten days take."""


def due_ticks() -> Iterator[tuple[str, datetime]]:
    """Schedule and due time (UTC) of all that falls due, written down without the code under test."""
    daily = {"sync-stock-list": "08:00", "sync-daily-prices": "21:00", "sync-ohlcv-data": "22:00"}
    daily |= {"cleanup-old-cache": "03:00", "sync-qlib": "22:30"}
    minute = BEGIN
    while minute < BEGIN + timedelta(days=DAYS):
        minute += timedelta(minutes=1)
        here = minute + TAIPEI
        clock = f"{here:%H:%M}"
        for name, at in daily.items():
            if clock == at:
                yield name, minute
        if here.weekday() < 5 and "09:00" <= clock <= "13:30" and here.minute % 15 == 0:
            yield "sync-latest-prices", minute
        if here.weekday() < 5 and clock == "19:30":
            yield "sync-corporate-actions", minute
        if here.weekday() < 5 and clock == "21:30":
            yield "sync-market-figures", minute
        if here.weekday() < 5 and clock == "22:45":
            yield "export-parquet", minute
        if here.minute == 7:
            yield "catch-up", minute


@pytest.mark.chaos
def test_each_due_tick_runs_once(stage: Stage) -> None:
    names = sorted({name for name, _ in due_ticks()})
    for name in names:
        stage.rows("INSERT INTO schedules (name, claimed_until) VALUES (%s, %s)", [name, BEGIN])
    bring_up(stage, ["w1"])
    speed = DAYS * 86_400 / SECONDS
    begun = time.time()
    environment = stage.environment() | {"CHAOS_TICKS": f"{BEGIN.timestamp()},{begun},{speed}"}
    beats = [stage.beat(f"beat{number}", environment=environment) for number in (1, 2)]
    chance, kills = random.Random(1), 0
    while time.time() < begun + SECONDS + 2:
        time.sleep(chance.uniform(1, 3))
        for beat in chance.sample(beats, chance.choice([1, 1, 2])):
            beat.kill()
            beat.start()
            kills += 1
    last = BEGIN + timedelta(days=DAYS)
    wait_until(
        lambda: stage.rows("SELECT bool_and(claimed_until >= %s) FROM schedules", [last])[0][0],
        within=30,
        what="the claim of the tenth day",
    )
    wait_until(
        lambda: stage.rows("SELECT count(*) FROM runs WHERE due_at <= %s AND finished_at IS NULL", [last])[0][0] == 0,
        within=60,
        what="the end of all ticks",
    )
    for beat in beats:
        beat.kill()
    ran = stage.rows("SELECT schedule, due_at, state, attempts FROM runs WHERE due_at <= %s", [last])
    expected = sorted(due_ticks())
    assert sorted((schedule, due_at) for schedule, due_at, *_ in ran) == expected
    assert {(state, attempts) for *_, state, attempts in ran} == {("SUCCESS", 1)}
    begins = "SELECT count(*) FROM chaos_audit WHERE kind = 'run' AND state = 'STARTED' GROUP BY run_id"
    assert {count for (count,) in stage.rows(begins)} == {1}
