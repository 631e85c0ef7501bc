"""The plan of what is missing, against an oracle that is written another way."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.market.calendar import TradingCalendar
from app.market.gaps import BARS, Cell, Gaps, Known, Try, expected_cells, find_gaps
from app.market.security import Venue

TAIPEI = ZoneInfo("Asia/Taipei")
NOW = datetime(2026, 11, 23, 22, 7, tzinfo=TAIPEI)  # a Monday
MONDAY, FRIDAY = date(2026, 11, 23), date(2026, 11, 20)
TWSE = Cell(FRIDAY, Venue.TWSE)
TPEX = Cell(FRIDAY, Venue.TPEX)
WHOLE = Known(listed=1000, bars=1000, is_open=True)


def gaps(facts: Known, other: Known = WHOLE, *, at: datetime = NOW) -> tuple[bool, datetime | None]:
    """Whether the cell is asked for now, and until when it waits."""
    found = find_gaps([TWSE, TPEX], {TWSE: facts, TPEX: other}, at=at)
    assert TPEX not in found.missing
    return TWSE in found.missing, found.waiting.get(TWSE)


class TestExpected:
    def test_each_session_twice_newest_first(self) -> None:
        cells = expected_cells(TradingCalendar(), first=date(2026, 11, 19), at=NOW)
        days = (MONDAY, FRIDAY, date(2026, 11, 19))
        assert cells == [Cell(day, venue) for day in days for venue in (Venue.TWSE, Venue.TPEX)]

    @pytest.mark.parametrize(("clock", "days"), [("21:29", [FRIDAY]), ("21:30", [MONDAY, FRIDAY]), ("08:00", [FRIDAY])])
    def test_today_is_left_to_the_evening_task_until_its_promise(self, clock: str, days: list[date]) -> None:
        at = datetime.fromisoformat(f"2026-11-23T{clock}+08:00")
        found = expected_cells(TradingCalendar(), first=FRIDAY, at=at)
        assert [cell.session for cell in found[::2]] == days

    def test_closures_and_extra_sessions_of_the_operator(self) -> None:
        calendar = TradingCalendar({FRIDAY: False, date(2026, 11, 21): True})
        found = {cell.session for cell in expected_cells(calendar, first=FRIDAY, at=NOW)}
        assert found == {MONDAY, date(2026, 11, 21)}

    @pytest.mark.parametrize(("clock", "newest"), [("21:29", FRIDAY), ("21:59", FRIDAY), ("22:00", MONDAY)])
    def test_figures_come_after_the_bars_of_their_session_and_are_due_later(self, clock: str, newest: date) -> None:
        at = datetime.fromisoformat(f"2026-11-23T{clock}+08:00")
        datasets = {BARS: (Venue.TWSE, Venue.TPEX), "margin": (Venue.TPEX,)}
        found = expected_cells(TradingCalendar(), first=FRIDAY, at=at, datasets=datasets)
        assert next(cell.session for cell in found if cell.dataset == "margin") == newest
        assert found[-3:] == [TWSE, TPEX, Cell(FRIDAY, Venue.TPEX, "margin")]

    def test_the_instant_counts_and_not_its_zone(self) -> None:
        calendar = TradingCalendar()
        utc = NOW.astimezone(ZoneInfo("UTC"))
        assert expected_cells(calendar, first=FRIDAY, at=utc) == expected_cells(calendar, first=FRIDAY, at=NOW)


def tried(state: str, hours_ago: float, bars: int = 0) -> Try:
    return Try(state, NOW - timedelta(hours=hours_ago), bars)


class TestHeld:
    def test_never_heard_of(self) -> None:
        assert find_gaps([TWSE], {}, at=NOW).missing == (TWSE,)

    @pytest.mark.parametrize(("bars", "missing"), [(0, True), (1, True), (979, True), (980, False), (1000, False)])
    def test_one_stocks_bar_is_no_session(self, bars: int, *, missing: bool) -> None:
        assert gaps(Known(listed=1000, bars=bars))[0] is missing

    def test_figures_are_missing_unless_their_venue_was_closed(self) -> None:
        margin = Cell(FRIDAY, Venue.TWSE, "margin")
        for is_open in (True, None):
            assert find_gaps([margin], {margin: Known(is_open=is_open)}, at=NOW).missing == (margin,)
        assert find_gaps([margin], {margin: Known(is_open=False)}, at=NOW) == Gaps((), {})
        assert find_gaps([margin], {margin: Known(listed=900, bars=900)}, at=NOW).missing == ()

    def test_rows_in_quarantine_are_held(self) -> None:
        assert not gaps(Known(listed=1000, bars=900, set_aside=90))[0]
        assert gaps(Known(listed=1000, bars=0, set_aside=1000))[0]

    def test_without_a_list_any_bar_is_enough_and_none_is_not(self) -> None:
        assert not gaps(Known(bars=7))[0]
        assert gaps(Known())[0]


class TestTriedLately:
    @pytest.mark.parametrize(
        ("tries", "hours"),
        [
            ([tried("PARTIAL", 1, 900)], 23),
            ([tried("PARTIAL", 25, 900)], None),
            ([tried("PARTIAL", 25, 900), tried("PARTIAL", 50, 900)], 23),
            ([tried("PARTIAL", 25, 900), tried("PARTIAL", 50, 850)], None),  # it grew: more may come
            ([tried("PARTIAL", 1, 900), tried("FAILED", 2)], 23),
            ([tried("FAILED", 0.5)], 55 / 60 - 0.5),
            ([tried("FAILED", 1), tried("PARTIAL", 3, 900)], None),
            ([tried("FAILED", 1), tried("FAILED", 2)], 110 / 60 - 1),
            ([tried("SKIPPED", 0.5)], 55 / 60 - 0.5),
            ([tried("SKIPPED", 1)], None),
            ([tried("SKIPPED", 1), tried("SKIPPED", 2)], 110 / 60 - 1),
            ([tried("PARTIAL", n, 900) for n in range(20)], 16 * 24),
        ],
    )
    def test_the_wait_doubles_while_the_outcome_stays(self, tries: list[Try], hours: float | None) -> None:
        missing, until = gaps(Known(listed=1000, bars=900, is_open=True, tries=tries))
        assert missing is (hours is None)
        if hours is not None:
            assert until is not None
            assert abs(until - NOW - timedelta(hours=hours)) < timedelta(seconds=1)

    @pytest.mark.parametrize("state", ["SUCCESS", "PARTIAL"])
    def test_an_answer_with_nothing_is_late_where_the_market_traded(self, state: str) -> None:
        for hours, asked in ((0.9, False), (0.92, True)):
            empty = [tried(state, hours)]
            assert gaps(Known(listed=1000, is_open=True, tries=empty))[0] is asked
            assert gaps(Known(listed=1000, is_open=None, tries=empty))[0] is False
        twice = [tried(state, 1), tried(state, 2)]
        assert gaps(Known(listed=1000, is_open=True, tries=twice))[1] == NOW + timedelta(minutes=50)

    def test_what_was_lost_since_is_asked_for_at_once(self) -> None:
        for state in ("SUCCESS", "PARTIAL"):
            assert gaps(Known(listed=1000, bars=0, is_open=True, tries=[tried(state, 1, 985)])) == (True, None)


def moments(first: datetime, last: datetime) -> st.SearchStrategy[datetime]:
    return st.integers(0, int((last - first).total_seconds())).map(lambda seconds: first + timedelta(seconds=seconds))


instants = moments(NOW - timedelta(days=7), NOW)
tries = st.lists(
    st.builds(Try, st.sampled_from(["SUCCESS", "PARTIAL", "FAILED", "SKIPPED"]), instants, st.integers(0, 12)),
    max_size=4,
).map(lambda some: sorted(some, key=lambda one: one.at, reverse=True))
facts = st.builds(
    Known,
    listed=st.integers(0, 12),
    bars=st.integers(0, 12),
    set_aside=st.integers(0, 3),
    is_open=st.sampled_from([None, True, False]),
    tries=tries,
)
days = st.dates(date(2026, 11, 9), MONDAY)


@settings(max_examples=400)
@given(
    closed=st.sets(days),
    known=st.dictionaries(st.builds(Cell, days, st.sampled_from([Venue.TWSE, Venue.TPEX])), facts),
    first=days,
    at=moments(NOW - timedelta(days=13), NOW + timedelta(days=1)),
)
def test_against_an_oracle(closed: set[date], known: dict[Cell, Known], first: date, at: datetime) -> None:
    found = find_gaps(expected_cells(TradingCalendar(dict.fromkeys(closed, False)), first=first, at=at), known, at=at)
    missing, waiting = set(), set()
    day = first
    while day <= at.date():  # no holiday falls into these weeks: weekdays are sessions
        due = datetime(day.year, day.month, day.day, 21, 30, tzinfo=TAIPEI)
        if day.weekday() < 5 and day not in closed and due <= at:
            for venue in (Venue.TWSE, Venue.TPEX):
                verdict = oracle(known.get(Cell(day, venue)), at)
                {"missing": missing, "waiting": waiting, "held": set()}[verdict].add(Cell(day, venue))
        day += timedelta(days=1)
    assert set(found.missing) == missing
    assert set(found.waiting) == waiting
    assert all(until > at for until in found.waiting.values())
    assert list(found.missing) == sorted(
        found.missing, key=lambda cell: (-cell.session.toordinal(), cell.venue != "TWSE")
    )


def oracle(cell: Known | None, at: datetime) -> str:
    if cell is None:
        return "missing"
    if cell.bars and 100 * (cell.bars + cell.set_aside) >= 98 * cell.listed:
        return "held"
    if cell.is_open is False:
        return "held"
    if not cell.tries or 100 * cell.bars < 98 * cell.tries[0].bars:
        return "missing"
    last = cell.tries[0]
    late = cell.is_open is True and last.bars == 0
    wait = timedelta(minutes=55) if late or last.state in ("FAILED", "SKIPPED") else timedelta(hours=24)
    for one in cell.tries[1:]:
        if (one.state, one.bars) != (last.state, last.bars):
            break
        wait *= 2
    return "waiting" if last.at + min(wait, timedelta(days=16)) > at else "missing"
