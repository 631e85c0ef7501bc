"""The one grammar of timings: what it means, that it reads back as itself, and what it refuses."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest
from celery.schedules import crontab
from hypothesis import given
from hypothesis import strategies as st

from app.errors import ConfigurationError, InvalidParameter
from app.market.calendar import TradingCalendar
from app.ops.schedules import SessionCrontab, SessionDayCrontab, SessionOffset, fires
from app.ops.timings import in_words, parse_timing, timing_text

TAIPEI = ZoneInfo("Asia/Taipei")
FRIDAY_NOON = datetime(2026, 11, 20, 12, 0, tzinfo=TAIPEI)
CLOSED_MONDAY = TradingCalendar({date(2026, 11, 23): False})


@pytest.mark.parametrize(
    ("text", "kept", "words", "first"),
    [
        ("0 21 * * *", "0 21 * * *", "daily 21:00", ["11-20 21:00", "11-21 21:00", "11-22 21:00"]),
        ("0 8 * * MON-FRI", "0 8 * * mon-fri", "0 8 * * mon-fri", ["11-23 08:00", "11-24 08:00", "11-25 08:00"]),
        ("7 * * * *", "7 * * * *", "hourly at :07", ["11-20 12:07", "11-20 13:07", "11-20 14:07"]),
        ("sessions 0 21 * * *", None, "trading days 21:00", ["11-20 21:00", "11-24 21:00", "11-25 21:00"]),
        (" Sessions  0 8,21 * * 5", "sessions 0 8,21 * * 5", None, ["11-20 21:00", "11-27 08:00", "11-27 21:00"]),
        ("in session 30 9-14 * * *", None, None, ["11-20 12:30", "11-20 13:30", "11-24 09:30"]),
        ("close+90m", None, "90 min after the close of each session", ["11-20 15:00", "11-24 15:00", "11-25 15:00"]),
        ("close + 2h", "close+120m", None, ["11-20 15:30", "11-24 15:30", "11-25 15:30"]),
        ("close+20h", "close+1200m", None, ["11-21 09:30", "11-25 09:30", "11-26 09:30"]),
        ("open-30m", None, "30 min before the open of each session", ["11-24 08:30", "11-25 08:30", "11-26 08:30"]),
        ("open-10h", "open-600m", None, ["11-23 23:00", "11-24 23:00", "11-25 23:00"]),
        ("close", None, "at the close of each session", ["11-20 13:30", "11-24 13:30", "11-25 13:30"]),
        ("every 90s", None, "every 90 s", ["11-20 12:01", "11-20 12:03", "11-20 12:04"]),
        ("every 60m", "every 1h", "every 1 h", ["11-20 13:00", "11-20 14:00", "11-20 15:00"]),
        ("every 10m", None, "every 10 min", ["11-20 12:10", "11-20 12:20", "11-20 12:30"]),
    ],
)
def test_what_each_form_means(text: str, kept: str | None, words: str | None, first: list[str]) -> None:
    timing = parse_timing(text)
    assert timing_text(timing) == (kept or text)
    assert words is None or in_words(timing) == words
    found = fires(timing, after=FRIDAY_NOON, count=3, calendar=CLOSED_MONDAY)
    assert [f"{at:%m-%d %H:%M}" for at in found] == first


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "is no timing; write one like `0 21 \\* \\* \\* \\*"[:30]),
        ("daily", "is no timing"),
        ("0 21 * *", "is no timing"),
        ("0 21 * * * *", "is no timing"),
        ("60 21 * * *", "is no crontab"),
        ("0 21 * * 7", "is no crontab"),
        ("*/0 * * * *", "is no crontab"),
        ("0 0 31 2 *", "is no crontab"),
        ("5-2-1 * * * *", "is no timing"),
        ("5-61 * * * *", "is no crontab"),
        ("0 0 * foo *", "is no crontab"),
        ("in session 0 8 * * *", "never fires"),
        ("close+25h", "to 24 hours"),
        ("close*2", "is no timing"),
        ("every 5s", "from 10 seconds"),
        ("every 0m", "from 10 seconds"),
        ("0 ２１ * * *", "is no timing"),
    ],
)
def test_what_is_refused_with_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(InvalidParameter, match=sentence):
        parse_timing(text)


@given(st.text(max_size=40) | st.text("0123456789*/,- opencls+mhery", max_size=40))
def test_nothing_typed_ends_otherwise_than_in_a_timing_or_a_sentence(text: str) -> None:
    try:
        timing = parse_timing(text)
    except InvalidParameter:
        return
    assert timing_text(parse_timing(timing_text(timing))) == timing_text(timing)


instants = st.integers(1_735_000_000, 1_796_000_000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
numbers = st.lists(st.integers(0, 59), min_size=1, max_size=4).map(lambda given: ",".join(map(str, sorted(set(given)))))
hours = st.lists(st.integers(0, 23), min_size=1, max_size=4).map(lambda given: ",".join(map(str, sorted(set(given)))))


@given(numbers, hours, st.sampled_from(["", "sessions "]), instants)
def test_fires_are_in_order_later_and_only_the_named_ones(minute: str, hour: str, kind: str, after: datetime) -> None:
    found = fires(parse_timing(f"{kind}{minute} {hour} * * *"), after=after, count=10, calendar=CLOSED_MONDAY)
    assert found == sorted(set(found))
    assert found[0] > after
    assert {at.minute for at in found} <= set(map(int, minute.split(",")))
    assert {at.hour for at in found} <= set(map(int, hour.split(",")))
    assert not kind or all(CLOSED_MONDAY.is_session(at.date()) for at in found)


def test_python_forms_are_the_same_timings() -> None:
    assert timing_text(crontab(minute={30, 0}, hour=[8, 21])) == "0,30 8,21 * * *"
    assert timing_text(SessionDayCrontab(hour=21, minute=0)) == "sessions 0 21 * * *"
    assert timing_text(SessionCrontab(hour="9-13", minute="*/15")) == "in session */15 9-13 * * *"
    assert timing_text(SessionOffset("close", 90)) == "close+90m"
    assert parse_timing("close+90m") == SessionOffset("close", 90)
    assert SessionOffset("open") != SessionOffset("close")
    with pytest.raises(ConfigurationError, match="open and a close"):
        SessionOffset("noon", 0)  # type: ignore[arg-type]


def test_a_calendar_that_ends_says_so() -> None:
    with pytest.raises(ConfigurationError, match="ends with 2030-12-31"):
        fires(parse_timing("close"), after=datetime(2030, 12, 30, tzinfo=TAIPEI), count=9)


def test_celery_itself_could_run_them() -> None:
    """Their ``is_due`` and ``remaining_estimate`` answer as Celery asks."""
    offset = SessionOffset("close", 90)
    due, seconds = offset.is_due(datetime(2024, 1, 1, tzinfo=UTC))
    assert due
    assert 0 <= seconds < 40 * 86_400
    assert offset.remaining_estimate(datetime(2024, 1, 1, tzinfo=UTC)).total_seconds() < 0
    assert eval(repr(offset.__reduce__()[1])) == ("close", 90)
