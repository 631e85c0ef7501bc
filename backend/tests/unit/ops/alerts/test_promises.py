"""The promises, at many instants: before and after their time, holidays, typhoons, weekends, after a recovery."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date, datetime, timedelta

import pytest

from app.errors import StoreUnavailable
from app.market.calendar import TAIPEI, TradingCalendar
from app.market.security import Venue
from app.ops.alerts.facts import Facts
from app.ops.alerts.rules import freshness
from app.store.watched import Coverage
from tests.unit.ops.alerts.conftest import FactsMaker


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=TAIPEI)


def broken(facts: Facts) -> dict[str, str]:
    return {one.subject: one.sentence for one in freshness.find(facts)}


class Held:
    """A store with the bars of all days up to *until*, of TPEx always all, and some exceptions."""

    def __init__(self, until: str, **exceptions: Coverage) -> None:
        self._until = date.fromisoformat(until)
        self._exceptions = {
            date.fromisoformat(day.removeprefix("d").replace("_", "-")): c for day, c in exceptions.items()
        }

    def __call__(self, venue: Venue, days: Collection[date]) -> Mapping[date, Coverage]:
        return {day: self._of(venue, day) for day in days}

    def _of(self, venue: Venue, day: date) -> Coverage:
        if venue is Venue.TWSE and day in self._exceptions:
            return self._exceptions[day]
        held = 1350 if venue is Venue.TPEX or day <= self._until else 0
        return Coverage(held, 1350, said_closed=False)


BARS = "daily bars of TWSE"


@pytest.mark.parametrize(
    ("now", "until", "fires"),
    [
        ("2026-11-23 21:29:59", "2026-11-20", False),  # Monday, still time
        ("2026-11-23 21:30:00", "2026-11-20", True),
        ("2026-11-23 21:30:00", "2026-11-23", False),
        ("2026-11-24 03:00:00", "2026-11-20", True),  # it stays broken through the night
        ("2026-11-24 12:00:00", "2026-11-23", False),  # recovered, and today's is not due
        ("2026-11-21 22:00:00", "2026-11-20", False),  # Saturday
        ("2026-11-22 22:00:00", "2026-11-20", False),  # Sunday
        ("2026-10-09 22:00:00", "2026-10-08", False),  # National Day, observed on the Friday
        ("2026-02-17 22:00:00", "2026-02-11", False),  # the lunar new year: no session since the 11th
        ("2026-02-17 22:00:00", "2026-02-10", True),
        ("2024-10-31 22:00:00", "2024-10-30", False),  # a typhoon that the calendar knows
    ],
)
def test_bars_by_half_past_nine_of_each_session(facts: FactsMaker, *, now: str, until: str, fires: bool) -> None:
    said = broken(facts(at=at(now), coverage=Held(until), lists_committed=lambda: dict.fromkeys(Venue, at(now))))
    assert (BARS in said, "daily bars of TPEX" in said) == (fires, False), said


def test_a_typhoon_by_word_of_an_operator(facts: FactsMaker) -> None:
    now = at("2026-11-23 22:00")
    held = Held("2026-11-20")
    assert BARS in broken(facts(at=now, coverage=held))
    closed = TradingCalendar({date(2026, 11, 23): False})
    assert BARS not in broken(facts(at=now, coverage=held, calendar=lambda: closed))


def test_a_typhoon_that_only_the_exchange_told_of(facts: FactsMaker) -> None:
    held = Held("2026-11-20", d2026_11_23=Coverage(0, 1350, said_closed=True))
    assert BARS not in broken(facts(at=at("2026-11-23 22:00"), coverage=held))


def test_a_special_session_is_promised_too(facts: FactsMaker) -> None:
    saturday = TradingCalendar({date(2026, 11, 21): True})
    said = broken(facts(at=at("2026-11-21 22:00"), coverage=Held("2026-11-20"), calendar=lambda: saturday))
    assert said[BARS] == (
        "Daily bars of TWSE: of 2026-11-21 0 are held (1,350 securities were listed). "
        "Promised by 21:30 of each session."
    )


def test_one_stocks_day_is_not_the_markets(facts: FactsMaker) -> None:
    def held(number: int) -> Facts:
        return facts(coverage=Held("2026-11-20", d2026_11_23=Coverage(number, 1350, said_closed=False)))

    assert "of 2026-11-23 1 are held (1,350" in broken(held(1))[BARS]
    assert BARS in broken(held(1282))
    assert BARS not in broken(held(1283))


def test_all_that_is_missing_is_named_and_older_gaps_are_not(facts: FactsMaker) -> None:
    sentence = broken(facts(coverage=Held("2026-11-18")))[BARS]
    assert [day for day in range(1, 31) if f"of 2026-11-{day:02} " in sentence] == [19, 20, 23]
    assert broken(facts(coverage=Held("2026-01-05")))[BARS].count("are held") == 5


def test_nothing_was_promised_before_the_installation(facts: FactsMaker) -> None:
    new = facts(
        at=at("2026-11-23 14:00"),
        installed_at=lambda: at("2026-11-23 13:25"),
        coverage=Held("2020-01-01"),
        lists_committed=dict,
        quotes_saved=lambda: None,
    )
    assert broken(new) == {}
    late = facts(at=at("2026-11-23 22:00"), installed_at=lambda: at("2026-11-23 20:30"), coverage=Held("2020-01-01"))
    assert BARS not in broken(late)
    later = facts(at=at("2026-11-23 21:31"), installed_at=lambda: at("2026-11-23 13:25"), coverage=Held("2020-01-01"))
    assert "of 2026-11-20" not in broken(later)[BARS]


@pytest.mark.parametrize(
    ("now", "newest", "fires"),
    [
        ("2026-11-23 08:29:00", "2026-11-22 08:00", False),
        ("2026-11-23 08:30:00", "2026-11-22 08:00", True),
        ("2026-11-23 08:30:00", "2026-11-23 00:01", False),
        ("2026-11-22 09:00:00", "2026-11-21 08:00", True),  # Sundays too
        ("2026-11-24 07:00:00", "2026-11-22 08:00", True),  # yesterday's still lacks
        ("2026-11-23 08:45:00", "2026-11-23 08:44", False),  # recovered
    ],
)
def test_lists_by_half_past_eight_each_day(facts: FactsMaker, *, now: str, newest: str, fires: bool) -> None:
    lists = {**dict.fromkeys(Venue, at(now)), Venue.EMERGING: at(newest)}
    said = broken(facts(at=at(now), lists_committed=lambda: lists, quotes_saved=lambda: at(now)))
    assert set(said) == ({f"securities list of {Venue.EMERGING}"} if fires else set())
    if fires:
        assert f"the newest is of {newest}" in said[f"securities list of {Venue.EMERGING}"]


@pytest.mark.parametrize(
    ("now", "age", "fires"),
    [
        ("2026-11-23 09:19", 5000, False),  # the market has not been open for so long
        ("2026-11-23 09:20", 21, True),
        ("2026-11-23 09:20", 20, False),
        ("2026-11-23 13:30", 21, True),
        ("2026-11-23 13:31", 21, False),  # closed
        ("2026-11-21 11:00", 5000, False),  # Saturday
        ("2026-10-09 11:00", 5000, False),  # a holiday
    ],
)
def test_quotes_within_twenty_minutes(facts: FactsMaker, *, now: str, age: int, fires: bool) -> None:
    saved = at(now) - timedelta(minutes=age)
    said = broken(facts(at=at(now), quotes_saved=lambda: saved, lists_committed=lambda: dict.fromkeys(Venue, at(now))))
    assert ("quotes" in said) is fires


def test_quotes_on_a_typhoon_day_declared_at_six(facts: FactsMaker) -> None:
    closed = TradingCalendar({date(2026, 11, 23): False})
    quiet = facts(at=at("2026-11-23 11:00"), quotes_saved=lambda: None, calendar=lambda: closed)
    assert "quotes" not in broken(quiet)


def test_a_promise_that_cannot_be_checked_hides_no_other(facts: FactsMaker) -> None:
    def away() -> datetime:
        raise StoreUnavailable("Redis does not answer.")

    said = broken(facts(at=at("2026-11-23 11:00"), quotes_saved=away, lists_committed=dict))
    assert said["quotes"] == "Quotes cannot be checked: Redis does not answer."
    assert said["securities list of TWSE"].startswith("Securities list of TWSE: none is held.")


@pytest.mark.parametrize(
    ("now", "asked", "fires"),
    [
        ("2026-11-23 20:29", "2026-11-20 19:31", False),
        ("2026-11-23 20:30", "2026-11-20 19:31", True),
        ("2026-11-23 20:30", "2026-11-23 13:00", True),  # before the close nobody knows the day's last
        ("2026-11-23 20:30", "2026-11-23 19:31", False),
        ("2026-11-22 22:00", "2026-11-20 19:31", False),  # Sunday
    ],
)
def test_actions_by_half_past_eight_of_each_session(facts: FactsMaker, *, now: str, asked: str, fires: bool) -> None:
    lists = dict.fromkeys(Venue, at(now))
    held = {Venue.TWSE: at(asked), Venue.TPEX: at(now)}
    said = broken(facts(at=at(now), actions_asked=lambda: held, lists_committed=lambda: lists))
    assert set(said) == ({"corporate actions of TWSE"} if fires else set())
    if fires:
        assert f"it was last asked {asked}" in said["corporate actions of TWSE"]


@pytest.mark.parametrize(("now", "fires"), [("2026-11-23 21:59", False), ("2026-11-23 22:00", True)])
def test_figures_by_ten_of_each_session(facts: FactsMaker, *, now: str, fires: bool) -> None:
    def held(dataset: str, venue: Venue, days: Collection[date]) -> Mapping[date, int]:
        late = (dataset, venue) == ("margin", Venue.TPEX)
        return {day: 800 for day in days if not late or day < date(2026, 11, 23)}

    said = broken(facts(at=at(now), figures_held=held, lists_committed=lambda: dict.fromkeys(Venue, at(now))))
    margin = "Margin figures of TPEX: of 2026-11-23 none are held. Promised by 22:00 of each session."
    assert said == ({"margin figures of TPEX": margin} if fires else {})


def test_figures_of_a_day_on_which_the_exchange_was_closed(facts: FactsMaker) -> None:
    closed = {"coverage": lambda venue, days: {day: Coverage(0, 1350, said_closed=True) for day in days}}
    assert broken(facts(**closed, figures_held=lambda *_: {})) == {}
