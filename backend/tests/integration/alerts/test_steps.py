"""Steps of the price as PostgreSQL finds them, against what was put there by hand."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from sqlalchemy import Connection

from app.core.wiring import Platform
from app.market.bar import BAR_FIELDS, Bar
from app.market.corporate_action import ActionKind, CorporateAction
from app.market.security import Venue
from app.store.bars import write_bars
from app.store.corporate_actions import write_actions
from app.store.engine import transaction
from app.store.securities import save_list
from app.store.steps import Step, large_steps
from tests.integration.conftest import NOW
from tests.integration.store.samples import listed

SPLIT = CorporateAction("0050", date(2025, 6, 18), ActionKind.SPLIT, 1_886_500, 471_600)
JUNE = (date(2025, 6, 1), date(2025, 6, 30))
DAYS = [date(2025, 6, day) for day in (9, 10, 11, 12, 13, 16, 17, 18)]
CLOSES = {
    "0050": {10: 1_886_500, 18: 475_700},  # stood still for a week, then 1:4 and +0.9 %
    "2330": {day.day: 10_000_000 for day in DAYS} | {17: 11_200_000, 18: 11_200_000},  # up 12 %
    "2317": {day.day: 1_500_000 + day.day for day in DAYS} | {12: None},  # did not trade on a day
}


@pytest.fixture
def market(platform: Platform) -> Platform:
    with transaction(platform.engine) as connection:
        save_list(connection, Venue.TWSE, listed(*CLOSES), at=NOW)
        bars = [
            Bar(symbol, date(2025, 6, day), close=close, volume=0)
            for symbol, closes in CLOSES.items()
            for day, close in closes.items()
        ]
        write_bars(connection, bars, fields=BAR_FIELDS, source="test", run_id=None, at=NOW)
    return platform


def steps(platform: Platform, *, sessions: int = 5, furthest: int = 90) -> list[Step]:
    with transaction(platform.engine) as connection:
        return large_steps(connection, share=0.11, sessions=sessions, furthest=furthest)


def act(platform: Platform, *actions: CorporateAction) -> None:
    def write(connection: Connection) -> None:
        later = NOW + timedelta(minutes=len(actions))
        write_actions(connection, actions, period=JUNE, source="test", run_id=None, at=later)

    with transaction(platform.engine) as connection:
        write(connection)


def named(found: list[Step]) -> list[tuple[str, str, str]]:
    return [(one.symbol, str(one.before), str(one.session)) for one in found]


SPLIT_STEP = ("0050", "2025-06-10", "2025-06-18")
RISE = ("2330", "2025-06-16", "2025-06-17")


def test_a_step_over_a_halt_and_one_from_day_to_day(market: Platform) -> None:
    found = steps(market)
    assert named(found) == [SPLIT_STEP, RISE]
    assert (found[0].previous, found[0].close, found[0].expected) == (1_886_500, 475_700, 1_886_500)
    assert named(steps(market, sessions=1)) == [SPLIT_STEP]
    assert named(steps(market, furthest=6)) == [RISE]  # so long ago says nothing


def test_the_action_explains_it_until_it_is_withdrawn(market: Platform) -> None:
    act(market, SPLIT)
    assert named(steps(market)) == [RISE]
    act(market)  # a reply without any action takes none back
    assert named(steps(market)) == [RISE]
    act(market, CorporateAction("2317", date(2025, 6, 18), ActionKind.DIVIDEND, 1_500_000, 1_490_000))
    assert named(steps(market)) == [SPLIT_STEP, RISE]


def test_an_action_that_the_price_does_not_follow_explains_nothing(market: Platform) -> None:
    wrong = CorporateAction("2317", date(2025, 6, 18), ActionKind.DIVIDEND, 1_500_000, 1_200_000)
    act(market, SPLIT, wrong)
    found = steps(market)
    assert named(found) == [("2317", "2025-06-17", "2025-06-18"), RISE]
    assert found[0].expected == pytest.approx(1_500_017 * 0.8)


def test_an_empty_database_has_no_steps(platform: Platform) -> None:
    assert steps(platform) == []
