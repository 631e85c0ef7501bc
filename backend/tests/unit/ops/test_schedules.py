from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest
from celery.schedules import crontab

from app.market.calendar import TradingCalendar
from app.ops.schedules import SessionCrontab, fires
from app.ops.timings import in_words

TAIPEI = ZoneInfo("Asia/Taipei")
EVERY_QUARTER = SessionCrontab(hour="9-13", minute="*/15")


def test_after_the_close_comes_the_next_session() -> None:
    friday = datetime(2026, 11, 20, 13, 30, tzinfo=TAIPEI)
    assert EVERY_QUARTER.next_fire(friday) == datetime(2026, 11, 23, 9, 0, tzinfo=TAIPEI)


def test_a_closure_set_today_counts_today(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SessionCrontab, "calendar", staticmethod(lambda: TradingCalendar({date(2026, 11, 23): False})))
    friday = datetime(2026, 11, 20, 13, 30, tzinfo=TAIPEI)
    assert EVERY_QUARTER.next_fire(friday) == datetime(2026, 11, 24, 9, 0, tzinfo=TAIPEI)


def test_next_fires_of_a_plain_crontab_are_taipei_instants() -> None:
    after = datetime(2026, 11, 23, 21, 0, tzinfo=TAIPEI)
    assert fires(crontab(hour=21, minute=0), after=after, count=2) == [
        datetime(2026, 11, 24, 21, 0, tzinfo=TAIPEI),
        datetime(2026, 11, 25, 21, 0, tzinfo=TAIPEI),
    ]


def test_words() -> None:
    assert in_words(crontab(hour=8, minute=0)) == "daily 08:00"
    assert in_words(crontab(minute="*/5")) == "*/5 * * * *"
    assert in_words(EVERY_QUARTER) == "*/15 9-13 * * * in trading sessions, 09:00–13:30"
