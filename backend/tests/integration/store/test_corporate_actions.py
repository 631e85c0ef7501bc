"""The ledger of actions: appended to only by what is new, readable as it stood, and halts that follow from it."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest
from sqlalchemy import Connection, text

from app.errors import InvalidRow, TooManyInvalidRows, UnknownSymbol
from app.market.corporate_action import ActionKind, CorporateAction
from app.market.security import Venue
from app.store.corporate_actions import Written, actions_by_security, list_actions, write_actions
from app.store.halts import Halt, derive_halts, list_halts
from app.store.securities import ids_for
from tests.integration.store.samples import NOW, bar, list_them, write

# As the exchanges published them (design/ENDPOINTS.md §6); 00690's is a month of TWT49U.
SPLIT = CorporateAction("0050", date(2025, 6, 18), ActionKind.SPLIT, 1_886_500, 471_600)
PAR_CHANGE = CorporateAction("2327", date(2025, 8, 25), ActionKind.PAR_CHANGE, 5_460_000, 1_365_000)
REDUCTION = CorporateAction("2352", date(2025, 10, 7), ActionKind.REDUCTION, 301_500, 345_700, note="退還股款")
DIVIDEND = CorporateAction("00690", date(2024, 3, 4), ActionKind.DIVIDEND, 313_500, 306_000, 306_000)
YEAR = (date(2025, 1, 1), date(2025, 12, 31))
LATER = NOW + timedelta(hours=1)


@pytest.fixture(autouse=True)
def _known(connection: Connection) -> None:
    list_them(connection, "0050", "2327", "2352", "00690", "2330")


def save(
    connection: Connection,
    *actions: CorporateAction,
    period: tuple[date, date] = YEAR,
    source: str = "TWSE.test",
    **more: object,
) -> Written:
    given = {"run_id": "run-1", "at": NOW} | more
    return write_actions(connection, actions, period=period, source=source, **given)  # type: ignore[arg-type]


def rows(connection: Connection) -> int:
    return int(connection.scalar(text("SELECT count(*) FROM corporate_actions")) or 0)


def test_what_is_written_is_read(connection: Connection) -> None:
    assert save(connection, SPLIT, PAR_CHANGE, REDUCTION) == Written(stored=3)
    assert [held.action for held in list_actions(connection)] == [REDUCTION, PAR_CHANGE, SPLIT]
    assert [held.action for held in list_actions(connection, symbol="2327")] == [PAR_CHANGE]
    between = list_actions(connection, start=date(2025, 6, 18), end=date(2025, 8, 25))
    assert [held.action for held in between] == [PAR_CHANGE, SPLIT]
    assert [held.action for held in list_actions(connection, limit=1)] == [REDUCTION]
    assert list_actions(connection, symbol="9999") == []
    assert (between[0].source, between[0].recorded_at) == ("TWSE.test", NOW)
    ids = ids_for(connection, ["0050", "2327", "2352"])
    assert actions_by_security(connection) == {
        ids["0050"]: [SPLIT],
        ids["2327"]: [PAR_CHANGE],
        ids["2352"]: [REDUCTION],
    }


def test_the_same_again_appends_nothing(connection: Connection) -> None:
    save(connection, SPLIT, REDUCTION)
    assert save(connection, SPLIT, REDUCTION, at=LATER) == Written(unchanged=2)
    assert rows(connection) == 2


def test_a_changed_price_is_a_newer_row_and_the_older_can_be_read(connection: Connection) -> None:
    save(connection, SPLIT)
    corrected = replace(SPLIT, reference_price=471_700)
    assert save(connection, corrected, at=LATER) == Written(stored=1)
    assert [held.action for held in list_actions(connection)] == [corrected]
    assert [held.action for held in list_actions(connection, as_of=NOW)] == [SPLIT]
    assert list_actions(connection, as_of=NOW - timedelta(seconds=1)) == []


def test_what_the_source_no_longer_publishes_is_withdrawn_and_may_come_back(connection: Connection) -> None:
    save(connection, SPLIT, REDUCTION)
    assert save(connection, SPLIT, at=LATER) == Written(withdrawn=1, unchanged=1)
    assert [held.action for held in list_actions(connection)] == [SPLIT]
    assert {held.action for held in list_actions(connection, as_of=NOW)} == {SPLIT, REDUCTION}
    assert save(connection, SPLIT, at=LATER) == Written(unchanged=1)  # it is withdrawn once
    assert save(connection, SPLIT, REDUCTION, at=LATER) == Written(stored=1, unchanged=1)
    assert {held.action for held in list_actions(connection)} == {SPLIT, REDUCTION}


def test_a_moved_ex_date_is_one_withdrawn_and_one_new(connection: Connection) -> None:
    save(connection, REDUCTION)
    moved = replace(REDUCTION, ex_date=date(2025, 10, 8))
    assert save(connection, moved, at=LATER) == Written(stored=1, withdrawn=1)
    assert [held.action for held in list_actions(connection)] == [moved]


def test_only_its_own_and_only_of_its_period_is_withdrawn(connection: Connection) -> None:
    save(connection, SPLIT, source="TWSE.etf_splits")
    save(connection, DIVIDEND, period=(date(2024, 3, 1), date(2024, 3, 31)))
    save(connection, REDUCTION, PAR_CHANGE)
    assert save(connection, PAR_CHANGE, at=LATER).withdrawn == 1
    assert {held.action for held in list_actions(connection)} == {SPLIT, DIVIDEND, PAR_CHANGE}


@pytest.mark.parametrize("unreadable", ["2352", None])
def test_what_came_but_could_not_be_read_is_not_withdrawn(connection: Connection, unreadable: str | None) -> None:
    save(connection, REDUCTION, SPLIT)
    assert save(connection, SPLIT, at=LATER, unreadable=[unreadable]) == Written(unchanged=1)
    assert save(connection, SPLIT, at=LATER, unreadable=["2330"]) == Written(withdrawn=1, unchanged=1)


def test_no_action_at_all_takes_nothing_back(connection: Connection) -> None:
    save(connection, SPLIT, REDUCTION)
    assert save(connection, at=LATER) == Written(doubted=2)
    assert save(connection, at=LATER, period=(date(2026, 1, 1), date(2026, 12, 31))) == Written()
    assert {held.action for held in list_actions(connection)} == {SPLIT, REDUCTION}


def test_a_reply_that_takes_back_most_of_what_is_held_is_not_believed(connection: Connection) -> None:
    month = (date(2025, 7, 1), date(2025, 7, 31))
    dividends = [replace(DIVIDEND, ex_date=date(2025, 7, day)) for day in range(1, 11)]
    save(connection, *dividends, period=month)
    other = replace(SPLIT, ex_date=date(2025, 7, 2))
    with pytest.raises(TooManyInvalidRows, match="lacks 10 of the 10 held ones"):
        save(connection, other, period=month, at=LATER)
    # Of one security, which the reply has on fewer days: it says something of it.
    assert save(connection, *dividends[5:], period=month, at=LATER) == Written(withdrawn=5, unchanged=5)


def test_a_reply_that_lacks_three_securities_of_five_is_not_believed_and_a_moved_day_is(connection: Connection) -> None:
    symbols = ("0050", "2327", "2352", "00690", "2330")
    actions = [replace(DIVIDEND, symbol=symbol, ex_date=date(2025, 7, 24)) for symbol in symbols]
    save(connection, *actions)
    with pytest.raises(TooManyInvalidRows, match="lacks 3 of the 5 held ones"):
        save(connection, *actions[:2], at=LATER)
    typhoon = [replace(one, ex_date=date(2025, 7, 25)) for one in actions]
    assert save(connection, *typhoon, at=LATER) == Written(stored=5, withdrawn=5)


def test_a_clock_that_was_put_back_does_not_bring_an_old_row_up(connection: Connection) -> None:
    save(connection, SPLIT, at=LATER)
    corrected = replace(SPLIT, reference_price=471_700)
    save(connection, corrected, at=NOW)
    assert [held.action for held in list_actions(connection)] == [corrected]


def test_what_cannot_be_true_is_refused(connection: Connection) -> None:
    with pytest.raises(UnknownSymbol, match="'9999'"):
        save(connection, replace(SPLIT, symbol="9999"))
    with pytest.raises(InvalidRow, match="0050 has two different actions split"):
        save(connection, SPLIT, replace(SPLIT, reference_price=1))
    assert save(connection, SPLIT, SPLIT) == Written(stored=1)


def test_two_kinds_on_one_day_are_two_actions(connection: Connection) -> None:
    dividend = replace(DIVIDEND, symbol="2352", ex_date=REDUCTION.ex_date)
    save(connection, REDUCTION, dividend)
    assert [held.action for held in list_actions(connection)] == [dividend, REDUCTION]


def trade(connection: Connection, symbol: str, *days: str) -> None:
    write(connection, *(bar(symbol, date.fromisoformat(day)) for day in days))


def derive(connection: Connection) -> list[tuple[str, str]]:
    changed = derive_halts(connection, Venue.TWSE, start=YEAR[0], end=YEAR[1], at=NOW)
    return [(str(first), str(last)) for first, last in changed]


def test_the_days_between_the_last_price_and_the_ex_date_are_a_halt(connection: Connection) -> None:
    trade(connection, "2330", *(f"2025-09-{day}" for day in (24, 25, 26, 30)), "2025-10-01", "2025-10-07")
    trade(connection, "2352", "2025-09-24", "2025-10-07")
    save(connection, REDUCTION, replace(DIVIDEND, symbol="2330", ex_date=date(2025, 9, 30)))
    assert derive(connection) == [("2025-09-25", "2025-10-06")]
    halt = Halt("2352", date(2025, 9, 25), date(2025, 10, 6), "reduction", "corporate_actions")
    assert list_halts(connection) == [halt]
    assert derive(connection) == []  # nothing changed
    assert list_halts(connection, symbol="2330") == []
    assert list_halts(connection, start=date(2025, 10, 7)) == list_halts(connection, end=date(2025, 9, 24)) == []
    assert list_halts(connection, symbol="2352", start=date(2025, 10, 6), end=date(2025, 10, 6)) == [halt]

    trade(connection, "2352", "2025-09-25")  # it came later
    assert derive(connection) == [("2025-09-25", "2025-10-06"), ("2025-09-26", "2025-10-06")]
    assert [one.first for one in list_halts(connection)] == [date(2025, 9, 26)]

    save(connection, SPLIT, at=LATER)
    assert derive(connection) == [("2025-09-26", "2025-10-06")]
    assert list_halts(connection) == []


def test_no_halt_where_nothing_is_known_of_it(connection: Connection) -> None:
    """No bar before, a last price long ago, and a weekend between two sessions."""
    save(connection, REDUCTION, SPLIT, PAR_CHANGE)
    trade(connection, "0050", "2025-06-13", "2025-06-18")
    trade(connection, "2330", "2025-06-13", "2025-10-01")
    trade(connection, "2352", "2025-01-02")
    trade(connection, "2327", "2025-08-22", "2025-08-25")
    assert derive(connection) == []
    assert list_halts(connection) == []
