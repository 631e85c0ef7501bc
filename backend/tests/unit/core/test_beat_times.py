"""Beat itself, on a travelled clock: each entry fires at its Taipei time, whatever zone the machine is in."""

import time
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import time_machine
from celery.beat import ScheduleEntry, Scheduler

from app.core.celery_app import app
from app.market.calendar import TradingCalendar
from app.ops.schedules import SessionCrontab

TAIPEI = ZoneInfo("Asia/Taipei")


@pytest.fixture(params=["", "UTC", "Asia/Taipei", "America/New_York"])
def machine_zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    if request.param:
        monkeypatch.setenv("TZ", request.param)
    else:
        monkeypatch.delenv("TZ", raising=False)
    time.tzset()
    yield request.param
    monkeypatch.undo()
    time.tzset()


@pytest.fixture(autouse=True)
def _no_overrides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SessionCrontab, "calendar", staticmethod(TradingCalendar))


class _Recorder(Scheduler):
    """Celery's scheduler; only the sending is replaced by writing down."""

    producer = None  # the real one would connect to the broker

    def __init__(self, *args: object, **kwargs: object) -> None:
        self.fired: dict[str, list[datetime]] = defaultdict(list)
        super().__init__(*args, **kwargs)

    def apply_async(self, entry: ScheduleEntry, *args: object, **kwargs: object) -> None:
        self.fired[entry.task].append(datetime.now(UTC).astimezone(TAIPEI))


def _live_through(start: datetime, end: datetime) -> dict[str, list[datetime]]:
    with time_machine.travel(start.timestamp(), tick=False) as traveller:
        scheduler = _Recorder(app, max_interval=900)
        while datetime.now(UTC) < end:
            wait = scheduler.tick()
            traveller.shift(timedelta(seconds=max(wait or 0, 0.01)))  # beat sleeps for what tick() says
        return dict(scheduler.fired)


def test_every_entry_fires_at_its_taipei_time(machine_zone: str) -> None:
    fired = _live_through(datetime(2024, 10, 29, 23, 59, tzinfo=TAIPEI), datetime(2024, 11, 1, 23, 59, tzinfo=TAIPEI))
    days = [date(2024, 10, 30), date(2024, 10, 31), date(2024, 11, 1)]
    for task, hour, minute in [
        ("app.tasks.sync_stock_list", 8, 0),
        ("app.tasks.sync_daily_prices", 21, 0),
        ("app.tasks.sync_ohlcv_data", 22, 0),
        ("app.tasks.cleanup_old_cache", 3, 0),
        ("app.tasks.sync_qlib", 22, 30),
    ]:
        assert [(at.date(), at.hour, at.minute) for at in fired[task]] == [(day, hour, minute) for day in days], task

    missing = fired["app.tasks.catch_up"]
    assert [at.hour for at in missing] == [*range(24)] * 3
    assert {at.minute for at in missing} == {7}

    quotes = fired["app.tasks.sync_latest_prices"]
    quarter_hours = [(9 + n // 4, n % 4 * 15) for n in range(19)]  # 09:00, 09:15 … 13:30
    assert [(at.date(), at.hour, at.minute) for at in quotes] == [
        # 2024-10-31 was a typhoon day; XTAI calls it a session.
        (day, hour, minute)
        for day in (date(2024, 10, 30), date(2024, 11, 1))
        for hour, minute in quarter_hours
    ]
    late = max((at - at.replace(second=0, microsecond=0)).total_seconds() for at in quotes)
    assert late < 2


def test_eight_days_run_a_daily_task_eight_times() -> None:
    start = datetime(2026, 11, 1, 12, 0, tzinfo=TAIPEI)
    fired = _live_through(start, start + timedelta(days=8))
    assert len(fired["app.tasks.sync_daily_prices"]) == 8
