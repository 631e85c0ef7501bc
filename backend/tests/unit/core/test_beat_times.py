"""Beat's scheduler over a simulated clock: each entry fires at its Taipei time, whatever zone the machine is in."""

import time
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from celery.schedules import crontab
from sqlalchemy import Engine, text

from app.core.celery_app import app
from app.ops.scheduler import LedgerScheduler
from app.ops.schedules import fires
from app.store.engine import make_engine, transaction

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


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = make_engine(database_url, application_name="tests")
    yield engine
    engine.dispose()


def _live_through(engine: Engine, start: datetime, end: datetime) -> dict[str, list[datetime]]:
    """Task → when its runs were queued, Taipei time, with a scheduler that sleeps for what ``tick`` says."""
    clock = start
    scheduler = LedgerScheduler(app)
    scheduler.engine, scheduler.instant = lambda: engine, lambda _: clock
    scheduler.max_interval = 6 * 3600.0
    while clock < end:
        clock += timedelta(seconds=scheduler.tick())
    with transaction(engine) as connection:
        rows = connection.execute(text("SELECT task, queued_at FROM runs WHERE due_at < :end ORDER BY 2"), {"end": end})
        fired: dict[str, list[datetime]] = {}
        for row in rows:
            fired.setdefault(row.task, []).append(row.queued_at.astimezone(TAIPEI))
    return fired


def test_every_entry_fires_at_its_taipei_time(machine_zone: str, engine: Engine) -> None:
    start, end = datetime(2024, 10, 29, 23, 59, tzinfo=TAIPEI), datetime(2024, 11, 1, 23, 59, tzinfo=TAIPEI)
    fired = _live_through(engine, start, end)
    days = [date(2024, 10, 30), date(2024, 10, 31), date(2024, 11, 1)]
    for task, hour, minute in [
        ("app.tasks.sync_stock_list", 8, 0),
        ("app.tasks.sync_daily_prices", 21, 0),
        ("app.tasks.sync_ohlcv_data", 22, 0),
        ("app.tasks.cleanup_old_cache", 3, 0),
        ("app.tasks.sync_qlib", 22, 30),
    ]:
        assert [(at.date(), at.hour, at.minute) for at in fired[task]] == [(day, hour, minute) for day in days], task

    figures = fired["app.tasks.sync_market_figures"]
    assert [f"{at:%m-%d %H:%M}" for at in figures] == ["10-30 21:30", "11-01 21:30"]

    parquet = fired["app.tasks.export_parquet"]
    assert [f"{at:%m-%d %H:%M}" for at in parquet] == ["10-30 22:45", "11-01 22:45"]

    actions = fired["app.tasks.sync_corporate_actions"]  # not on the typhoon day
    assert [f"{at:%m-%d %H:%M}" for at in actions] == ["10-30 19:30", "11-01 19:30"]

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


def test_eight_days_run_a_daily_task_eight_times(engine: Engine) -> None:
    start = datetime(2026, 11, 1, 12, 0, tzinfo=TAIPEI)
    fired = _live_through(engine, start, start + timedelta(days=8))
    assert len(fired["app.tasks.sync_daily_prices"]) == 8


@pytest.mark.parametrize(
    "fields",
    [
        {"minute": "*/7", "hour": "8-17/3"},
        {"minute": 5, "hour": {1, 23}, "day_of_week": "mon-fri"},
        {"minute": "30", "hour": "4", "day_of_month": "1,15,31"},
        {"minute": 0, "hour": 0, "day_of_month": "29", "month_of_year": "2"},
        {"minute": 59, "hour": 23, "day_of_week": "sun", "day_of_month": "1-7"},
    ],
)
def test_crontabs_mean_what_celery_means(machine_zone: str, fields: dict[str, object]) -> None:
    """Celery's own arithmetic as the oracle."""
    cron = crontab(**fields, app=app)
    at = datetime(2026, 11, 1, 12, 34, 56, tzinfo=TAIPEI)
    expected = []
    for _ in range(12):
        start, delta, _now = cron.remaining_delta(expected[-1] if expected else at, tz=TAIPEI)
        expected.append(start + delta)
    assert fires(cron, after=at, count=12) == expected
