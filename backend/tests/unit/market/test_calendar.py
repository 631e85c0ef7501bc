"""The calendar against what really happened; the dates come from the exchanges' notices, not from the code."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from app.market.calendar import TradingCalendar, is_session, sessions_between

TAIPEI = ZoneInfo("Asia/Taipei")


@pytest.mark.parametrize(
    ("day", "is_open"),
    [
        (date(2024, 10, 30), True),
        (date(2024, 10, 31), False),  # typhoon Kong-rey
        (date(2024, 11, 1), True),
        (date(2024, 10, 2), False),  # typhoon Krathon
        (date(2024, 7, 24), False),  # typhoon Gaemi
        (date(2026, 2, 11), True),  # 農曆春節前最後交易日
        (date(2026, 2, 12), False),  # settlement only
        (date(2026, 1, 2), True),  # 國曆新年開始交易日
        (date(2017, 9, 30), True),  # a make-up Saturday with a full market
        (date(2024, 2, 17), False),  # a make-up Saturday without one
        (date(2026, 11, 22), False),  # a Sunday
    ],
)
def test_known_days(day: date, is_open: bool) -> None:
    assert is_session(day) is is_open


def test_2026_has_the_official_243_sessions() -> None:
    assert len(sessions_between(date(2026, 1, 1), date(2026, 12, 31))) == 243


def test_overrides_win() -> None:
    calendar = TradingCalendar({date(2026, 11, 23): False, date(2026, 11, 22): True})
    assert not calendar.is_session(date(2026, 11, 23))
    assert calendar.is_session(date(2026, 11, 22))
    assert calendar.sessions_between(date(2026, 11, 20), date(2026, 11, 24)) == (
        date(2026, 11, 20),
        date(2026, 11, 22),
        date(2026, 11, 24),
    )


@pytest.mark.parametrize(
    ("hour", "minute", "trading"),
    [(8, 59, False), (9, 0, True), (13, 30, True), (13, 31, False), (13, 45, False)],
)
def test_hours(hour: int, minute: int, trading: bool) -> None:
    at = datetime(2026, 11, 23, hour, minute, tzinfo=TAIPEI)
    assert TradingCalendar().in_session(at) is trading


def test_what_is_due_at_the_close_may_begin_after_it() -> None:
    calendar, ten = TradingCalendar(), timedelta(minutes=10)
    assert not calendar.in_session(datetime(2026, 11, 23, 13, 30, 1, tzinfo=TAIPEI))
    assert calendar.in_session(datetime(2026, 11, 23, 13, 30, 1, tzinfo=TAIPEI), late=ten)
    assert calendar.in_session(datetime(2026, 11, 23, 13, 40, tzinfo=TAIPEI), late=ten)
    assert not calendar.in_session(datetime(2026, 11, 23, 13, 40, 1, tzinfo=TAIPEI), late=ten)
    assert not calendar.in_session(datetime(2026, 11, 23, 8, 59, tzinfo=TAIPEI), late=ten)
    assert not calendar.in_session(datetime(2024, 10, 31, 13, 30, 1, tzinfo=TAIPEI), late=ten)  # typhoon Kong-rey


def test_last_session_before_the_open_is_the_day_before() -> None:
    calendar = TradingCalendar()
    assert calendar.last_session(datetime(2026, 11, 23, 8, 0, tzinfo=TAIPEI)) == date(2026, 11, 20)
    assert calendar.last_session(datetime(2026, 11, 23, 9, 0, tzinfo=TAIPEI)) == date(2026, 11, 23)


def test_an_empty_range_has_no_sessions() -> None:
    assert sessions_between(date(2026, 1, 2), date(2026, 1, 1)) == ()
