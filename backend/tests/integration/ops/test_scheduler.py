"""Schedulers over a real PostgreSQL: many at once, restarted, with wrong clocks, without the store for a while."""

from __future__ import annotations

import random
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from celery import Celery
from celery.schedules import BaseSchedule, crontab
from loguru import logger
from sqlalchemy import Connection, Engine, text

from app.core.celery_app import app
from app.errors import ConfigurationError
from app.ops.scheduler import LedgerScheduler
from app.runtime.account import server_account
from app.runtime.ports import free_port
from app.runtime.postgres import Postgres
from app.store import schedules, sessions
from app.store.engine import make_engine, transaction
from tests.conftest import TEMPLATE, migrate, running

TAIPEI = ZoneInfo("Asia/Taipei")
START = datetime(2026, 11, 1, 12, 0, 0, 500_000, tzinfo=TAIPEI)
"""A Sunday; November 2026 has no holiday on a weekday."""


DAILY = {
    "sync-stock-list": (8, 0),
    "sync-daily-prices": (21, 0),
    "sync-ohlcv-data": (22, 0),
    "cleanup-old-cache": (3, 0),
    "sync-qlib": (22, 30),
}


class Clock:
    """A clock that is moved by whoever waits."""

    def __init__(self, at: datetime) -> None:
        self.at = at
        self._lock = threading.Lock()

    def move(self, seconds: float) -> None:
        with self._lock:
            self.at += timedelta(seconds=seconds)


def scheduler_at(clock: Clock, engine: Engine, *, skew: float = 0.0) -> LedgerScheduler:
    made = LedgerScheduler(app)
    made.engine = lambda: engine
    made.instant = lambda _: clock.at + timedelta(seconds=skew)
    made.max_interval = 6 * 3600.0
    made.declared = {name: made.declared[name] for name in (*DAILY, "sync-latest-prices")}
    return made


def due_by_hand(start: datetime, end: datetime) -> dict[str, list[datetime]]:
    """The ticks that the guide's table promises, told without the application."""
    days = [start.date() + timedelta(days=n) for n in range((end - start).days + 2)]
    due = {name: [datetime(d.year, d.month, d.day, *at, tzinfo=TAIPEI) for d in days] for name, at in DAILY.items()}
    due["sync-latest-prices"] = [
        datetime(d.year, d.month, d.day, 9 + n // 4, n % 4 * 15, tzinfo=TAIPEI)
        for d in days
        if d.weekday() < 5
        for n in range(19)
    ]
    return {name: [at for at in ticks if start < at <= end] for name, ticks in due.items()}


def work(connection: Connection) -> None:
    """A worker that has done what waits."""
    connection.execute(
        text("UPDATE runs SET state = 'SUCCESS', attempts = 1, finished_at = queued_at WHERE state = 'QUEUED'")
    )


def ledger(engine: Engine) -> dict[str, dict[datetime, str]]:
    with transaction(engine) as connection:
        rows = connection.execute(text("SELECT schedule, due_at, state, reason FROM runs")).all()
    found: dict[str, dict[datetime, str]] = {}
    for row in rows:
        ticks = found.setdefault(row.schedule, {})
        due_at = row.due_at.astimezone(TAIPEI)
        assert due_at not in ticks, f"{row.schedule} has two runs of {due_at}"
        assert row.state != "SKIPPED" or row.reason
        ticks[due_at] = row.state
    return found


@pytest.mark.parametrize("number", [2])
def test_ten_days_with_restarts_run_each_due_tick_once(
    number: int, database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Shown at the end: `pytest tests/integration/ops/test_scheduler.py -k ten_days -s` prints the counts."""
    clock, end = Clock(START), START + timedelta(days=10)
    restarts: Counter[int] = Counter()
    trouble: list[BaseException] = []

    waits = [0.0] * number
    # Time passes only between turns, as in life, where a turn takes milliseconds and a minute lasts a minute.
    turn = threading.Barrier(number, action=lambda: clock.move(min(waits)), timeout=60)

    def live(which: int) -> None:
        chance = random.Random(which)
        # The clocks of the machines differ by up to two minutes.
        skew = 0.0 if which == 0 else chance.uniform(-120, 120)
        engine = make_engine(database_url, application_name=f"scheduler {which}")
        mine = scheduler_at(clock, engine, skew=skew)
        try:
            while clock.at < end:
                waits[which] = mine.tick()
                with transaction(engine) as connection:
                    work(connection)
                if chance.random() < 0.1:
                    restarts[which] += 1
                    engine.dispose()
                    mine = scheduler_at(clock, engine, skew=skew)
                turn.wait()
            mine.instant = lambda _: end
            mine.tick()
            with transaction(engine) as connection:
                work(connection)
        except BaseException as error:
            turn.abort()
            trouble.append(error)
            raise
        finally:
            engine.dispose()

    engine = make_engine(database_url, application_name="tests")
    scheduler_at(clock, engine).tick()  # the first sight of each schedule: nothing before is owed
    threads = [threading.Thread(target=live, args=(which,)) for which in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not trouble
    found, due = ledger(engine), due_by_hand(START, end)
    engine.dispose()
    lines = [f"\n{number} schedulers, 10 days, {restarts.total()} restarts:"]
    for name, ticks in due.items():
        lines.append(
            f"{name:20} due {len(ticks):4}  claimed {len(found[name]):4}  {dict(Counter(found[name].values()))}"
        )
    with capsys.disabled():
        sys.stdout.write("\n  ".join(lines) + "\n")
    for name, ticks in due.items():
        early = [at for at in found[name] if at > end]  # a clock that is ahead claims early, not twice
        assert sorted(set(found[name]) - set(early)) == ticks, name
        assert set(found[name].values()) == {"SUCCESS"}, name
    assert set(found) == set(due)


def test_after_an_outage_each_missed_tick_says_what_became_of_it(engine: Engine) -> None:
    clock = Clock(START)
    scheduler_at(clock, engine).tick()
    clock.move(3 * 86_400)  # Wednesday 12:00; the last ticks: 22:30 of Tuesday, 08:00, 03:00 and 12:00 of Wednesday
    scheduler_at(clock, engine).tick()
    found, due = ledger(engine), due_by_hand(START, clock.at)
    assert {name: sorted(ticks) for name, ticks in found.items()} == due
    queued = {name: [at for at, state in ticks.items() if state == "QUEUED"] for name, ticks in found.items()}
    wednesday = datetime(2026, 11, 4, tzinfo=TAIPEI)
    assert queued == {
        "sync-stock-list": [wednesday.replace(hour=8)],
        "sync-daily-prices": [],  # 15 hours ago is more than its late limit
        "sync-ohlcv-data": [],
        "sync-latest-prices": [wednesday.replace(hour=12)],
        "cleanup-old-cache": [],
        "sync-qlib": [],
    }


def test_a_clock_that_jumps_claims_nothing_twice(engine: Engine) -> None:
    clock = Clock(START.replace(hour=20, minute=30))
    one = scheduler_at(clock, engine)
    one.tick()
    clock.move(3600)
    one.tick()
    assert list(ledger(engine)["sync-daily-prices"].values()) == ["QUEUED"]
    for seconds in (-7200, 3600, 3700):
        clock.move(seconds)
        assert 0 < one.tick() <= 6 * 3600
    assert list(ledger(engine)["sync-daily-prices"].values()) == ["QUEUED"]
    with transaction(engine) as connection:
        assert schedules.read_all(connection)["sync-daily-prices"].claimed_until == clock.at
    assert len(ledger(engine)) == 1


def test_overrides_and_typhoons_are_heard_at_the_next_turn(engine: Engine) -> None:
    monday = datetime(2026, 11, 2, 8, 59, tzinfo=TAIPEI)
    clock = Clock(monday)
    one = scheduler_at(clock, engine)
    one.tick()
    with transaction(engine) as connection:
        said = {"timing": "close+90m", "parameters": {"days": 3}, "misfire": "all", "late_limit": 600}
        schedules.override(connection, "sync-daily-prices", said, by="test", at=monday)
        schedules.override(connection, "sync-qlib", {"timing": "30 9 * * *"}, by="test", at=monday)
        sessions.override(connection, monday.date(), is_open=False, reason="颱風", by="test", at=monday)
    clock.at = monday.replace(hour=16)
    scheduler_at(clock, engine).tick()  # restarted meanwhile
    assert set(ledger(engine)) == {"sync-qlib"}
    clock.at = datetime(2026, 11, 3, 15, 0, 1, tzinfo=TAIPEI)
    one.tick()
    with transaction(engine) as connection:
        (row,) = connection.execute(text("SELECT * FROM runs WHERE schedule = 'sync-daily-prices'")).all()
    assert (row.due_at.astimezone(TAIPEI).hour, row.parameters, row.queue) == (15, {"days": 3}, "data_sync")
    assert row.expires_at - row.due_at == timedelta(minutes=10)


def test_a_tick_sleeps_until_the_next_fire_but_hears_words_within_two_seconds(engine: Engine) -> None:
    clock = Clock(START.replace(hour=20, minute=59, second=59, microsecond=0))
    one = scheduler_at(clock, engine)
    assert one.tick() == pytest.approx(1.0)
    one.max_interval = LedgerScheduler.max_interval
    clock.at = START.replace(hour=19)
    assert one.tick() == 2.0


def test_the_outbox_is_called_after_the_commit_and_its_trouble_is_not_beats(engine: Engine) -> None:
    clock, seen = Clock(START.replace(hour=20, minute=59)), []
    one = scheduler_at(clock, engine)

    def outbox() -> None:
        seen.append(list(ledger(engine)["sync-daily-prices"].values()))
        raise OSError("Redis is away")

    one.outbox = outbox
    one.tick()
    assert seen == []
    clock.move(61)
    assert one.tick() > 0
    assert seen == [["QUEUED"]]


def test_it_outlives_a_postgresql_that_is_killed(server_folder: Path) -> None:
    server = Postgres(server_folder / "killed", free_port(), server_account(), durable=True)
    server.prepare()
    clock = Clock(START.replace(hour=20, minute=30))
    said: list[str] = []
    heard = logger.add(lambda message: said.append(message.record["message"]), level="INFO")
    try:
        with running(server.program(), server_folder / "killed.log") as process:
            migrate(server.url(TEMPLATE))
            engine = make_engine(server.url(TEMPLATE), application_name="tests")
            one = scheduler_at(clock, engine)
            one.tick()
            process.kill()
            process.wait()
        clock.move(3600)
        assert one.tick() == one.tick() == 6 * 3600  # nobody listens: it waits and asks again
        with running(server.program(), server_folder / "killed.log"):
            one.tick()
            assert list(ledger(engine)["sync-daily-prices"].values()) == ["QUEUED"]
            engine.dispose()
    finally:
        logger.remove(heard)
    away = [line for line in said if line.startswith("No schedule can be read")]
    assert len(away) == 1
    assert "Schedules are read and claimed again" in said


def test_one_schedule_that_fails_does_not_hold_up_the_others(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(START.replace(hour=20, minute=59))
    one = scheduler_at(clock, engine)
    one.tick()
    broken = one.declared["sync-stock-list"]
    monkeypatch.setitem(one.declared, "sync-stock-list", broken.__class__("sync-stock-list", broken.task, object()))
    clock.move(61)
    one.tick()
    assert set(ledger(engine)) == {"sync-daily-prices"}


@pytest.fixture
def small_app() -> Iterator[Celery]:
    made = Celery("small", set_as_current=False)
    made.tasks.update({name: task for name, task in app.tasks.items() if name.startswith("app.tasks.")})
    made.conf.task_default_queue = "data_sync"
    yield made
    made.close()


@pytest.mark.parametrize(
    ("entry", "sentence"),
    [
        ({"task": "app.tasks.sync_stok_list", "schedule": crontab()}, "did you mean app.tasks.sync_stock_list"),
        ({"task": "app.tasks.sync_qlib", "schedule": BaseSchedule()}, "fire times can be told"),
        ({"task": "app.tasks.sync_qlib", "schedule": 0.2}, "cannot be used"),
        ({"task": "app.tasks.sync_qlib", "schedule": crontab(), "options": {"expires": 60}}, "late_limit"),
        ({"task": "app.tasks.sync_daily_prices", "schedule": crontab(), "kwargs": {"days": 0}}, "days is 0"),
    ],
)
def test_what_cannot_be_kept_is_refused_at_the_start(
    small_app: Celery, entry: dict[str, object], sentence: str
) -> None:
    small_app.conf.beat_schedule = {"mine": entry}
    with pytest.raises(ConfigurationError, match=sentence) as refused:
        LedgerScheduler(small_app)
    assert "'mine'" in str(refused.value)


def test_celerys_intervals_work(engine: Engine, small_app: Celery) -> None:
    small_app.conf.beat_schedule = {"mine": {"task": "app.tasks.sync_qlib", "schedule": timedelta(minutes=10)}}
    clock = Clock(datetime.combine(date(2026, 11, 2), datetime.min.time(), TAIPEI) + timedelta(seconds=1))
    one = LedgerScheduler(small_app)
    one.engine, one.instant = lambda: engine, lambda _: clock.at
    for _ in range(4):
        one.tick()
        clock.move(600)
    assert [f"{at:%H:%M}" for at in sorted(ledger(engine)["mine"])] == ["00:10", "00:20", "00:30"]
