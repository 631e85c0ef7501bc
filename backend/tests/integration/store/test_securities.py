from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import Connection

from app.errors import InvalidRow, TooManyInvalidRows
from app.market.security import Security, SecurityKind, Venue
from app.store.securities import (
    ListChanges,
    count_securities,
    find,
    find_many,
    have_lists,
    ids_for,
    known_symbols,
    list_for_bars,
    list_securities,
    register_unlisted,
    save_list,
)
from tests.integration.store.samples import NOW, listed, versions

LATER = NOW + timedelta(days=1)
MANY = [str(number) for number in range(1000, 1050)]


def test_a_first_list_is_all_new(connection: Connection) -> None:
    whole = Security(
        "2330", "台積電", Venue.TWSE, SecurityKind.STOCK, "TW0002330008", date(1994, 9, 5), "半導體業", "ESVUFR"
    )
    assert save_list(connection, Venue.TWSE, [whole], at=NOW) == ListChanges(("2330",), (), (), 0)
    held = find(connection, "2330")
    assert held is not None
    assert (held.name, held.venue, held.kind, held.isin) == ("台積電", Venue.TWSE, SecurityKind.STOCK, "TW0002330008")
    assert (held.listed_on, held.industry, held.cfi) == (date(1994, 9, 5), "半導體業", "ESVUFR")
    assert (held.on_list, held.delisted_on, held.first_seen_at, held.updated_at) == (True, None, NOW, NOW)


def test_the_same_list_again_writes_nothing(connection: Connection) -> None:
    save_list(connection, Venue.TWSE, listed(*MANY), at=NOW)
    before = versions(connection, "securities")
    assert save_list(connection, Venue.TWSE, listed(*MANY), at=LATER) == ListChanges((), (), (), 50)
    assert versions(connection, "securities") == before


def test_a_list_wipes_nothing_that_it_lacks(connection: Connection) -> None:
    save_list(connection, Venue.TWSE, listed("2330", industry="半導體業", isin="TW0002330008"), at=NOW)
    assert save_list(connection, Venue.TWSE, listed("2330", name="台積"), at=LATER).changed == ("2330",)
    held = find(connection, "2330")
    assert held is not None
    assert (held.name, held.industry, held.isin, held.updated_at) == ("台積", "半導體業", "TW0002330008", LATER)


@pytest.mark.parametrize(("hour", "day"), [(15, 1), (16, 2)])
def test_the_day_of_leaving_is_taipeis(connection: Connection, hour: int, day: int) -> None:
    save_list(connection, Venue.TWSE, listed(*MANY), at=NOW)
    save_list(connection, Venue.TWSE, listed(*MANY[1:]), at=datetime(2027, 3, 1, hour, tzinfo=UTC))
    gone = find(connection, MANY[0])
    assert gone is not None
    assert gone.delisted_on == date(2027, 3, day)


def test_who_is_no_longer_listed_is_delisted_and_may_come_back(connection: Connection) -> None:
    save_list(connection, Venue.TWSE, listed(*MANY), at=NOW)
    first = find(connection, "1000")
    changes = save_list(connection, Venue.TWSE, listed(*MANY[1:]), at=LATER)
    assert (changes.delisted, changes.unchanged) == (("1000",), 49)
    gone = find(connection, "1000")
    assert gone is not None
    assert first is not None
    assert (gone.on_list, gone.delisted_on, gone.id) == (False, LATER.date(), first.id)
    assert save_list(connection, Venue.TWSE, listed(*MANY[1:]), at=LATER).delisted == ()
    assert save_list(connection, Venue.TWSE, listed(*MANY), at=LATER).changed == ("1000",)
    back = find(connection, "1000")
    assert back is not None
    assert (back.on_list, back.delisted_on) == (True, None)


def test_a_symbol_that_moves_keeps_its_id(connection: Connection) -> None:
    save_list(connection, Venue.TPEX, listed("6488", "6547", venue=Venue.TPEX, listed_on=date(2015, 1, 5)), at=NOW)
    before = ids_for(connection, ["6488"])
    moved = listed("6488", listed_on=date(2024, 5, 3))
    assert save_list(connection, Venue.TWSE, moved, at=LATER).changed == ("6488",)
    # The former venue still shows it for a while, then does not: neither moves it back nor delists it.
    stale = listed("6488", "6547", venue=Venue.TPEX, listed_on=date(2015, 1, 5))
    assert save_list(connection, Venue.TPEX, stale, at=LATER) == ListChanges((), (), (), 2)
    assert save_list(connection, Venue.TPEX, stale[1:], at=LATER) == ListChanges((), (), (), 1)
    held = find(connection, "6488")
    assert held is not None
    assert (held.venue, held.on_list, held.delisted_on) == (Venue.TWSE, True, None)
    assert ids_for(connection, ["6488"]) == before


def test_a_symbol_that_left_one_list_first_moves_too(connection: Connection) -> None:
    save_list(connection, Venue.TPEX, listed("6488", "6547", venue=Venue.TPEX), at=NOW)
    assert save_list(connection, Venue.TPEX, listed("6547", venue=Venue.TPEX), at=LATER).delisted == ("6488",)
    save_list(connection, Venue.TWSE, listed("6488"), at=LATER)
    held = find(connection, "6488")
    assert held is not None
    assert (held.venue, held.on_list, held.delisted_on) == (Venue.TWSE, True, None)


@pytest.mark.parametrize("left", [MANY[:39], []])
def test_a_list_that_shrank_absurdly_is_refused(connection: Connection, left: list[str]) -> None:
    save_list(connection, Venue.TWSE, listed(*MANY), at=NOW)
    before = versions(connection, "securities")
    with pytest.raises(TooManyInvalidRows, match=rf"has {len(left)} securities and lacks {50 - len(left)} of the 50"):
        save_list(connection, Venue.TWSE, listed(*left), at=LATER)
    assert versions(connection, "securities") == before
    assert len(save_list(connection, Venue.TWSE, listed(*MANY[:40]), at=LATER).delisted) == 10


@pytest.mark.parametrize(
    ("rows", "rule"),
    [
        (listed("2330", "2330"), "duplicate-symbol"),
        (listed("6488", venue=Venue.TPEX), "other-venue"),
        (listed("030001", kind=SecurityKind.WARRANT), "warrant"),
    ],
)
def test_a_wrong_list_is_refused(connection: Connection, rows: list[Security], rule: str) -> None:
    with pytest.raises(InvalidRow) as caught:
        save_list(connection, Venue.TWSE, rows, at=NOW)
    assert caught.value.rule == rule


def test_an_unlisted_symbol_gets_an_id_and_no_invented_facts(connection: Connection) -> None:
    save_list(connection, Venue.TWSE, listed(*MANY), at=NOW)
    names = {"2888": "新光金", "1000": "wrong", "9999": ""}
    assert register_unlisted(connection, Venue.TWSE, names, at=LATER) == ("2888", "9999")
    assert register_unlisted(connection, Venue.TWSE, names, at=LATER) == ()
    assert register_unlisted(connection, Venue.TWSE, {}, at=LATER) == ()
    held = find_many(connection, ["2888", "1000", "9999", "0000"])
    assert {symbol: one.name for symbol, one in held.items()} == {"2888": "新光金", "1000": "公司1000", "9999": "9999"}
    assert (held["2888"].kind, held["2888"].on_list, held["2888"].delisted_on) == (SecurityKind.OTHER, False, None)
    # The next list does not take it for delisted today: nobody knows when it left.
    assert save_list(connection, Venue.TWSE, listed(*MANY), at=LATER).delisted == ()
    assert save_list(connection, Venue.TWSE, listed(*MANY, "9999"), at=LATER).changed == ("9999",)


def test_looking_up(connection: Connection) -> None:
    save_list(connection, Venue.TWSE, listed("2330", "0050", "2317"), at=NOW)
    save_list(connection, Venue.TPEX, listed("6488", venue=Venue.TPEX, kind=SecurityKind.ETF), at=NOW)
    assert known_symbols(connection) == {"2330", "0050", "2317", "6488"}
    assert known_symbols(connection, venue=Venue.TPEX, on_list=True) == {"6488"}
    assert find(connection, "9999") is None
    assert ids_for(connection, []) == {}
    assert ids_for(connection, ["2330", "9999", "2330"]).keys() == {"2330"}
    assert [one.symbol for one in list_securities(connection)] == ["0050", "2317", "2330", "6488"]
    assert [one.symbol for one in list_securities(connection, after="0050", limit=2)] == ["2317", "2330"]
    assert [one.symbol for one in list_securities(connection, search="23")] == ["2317", "2330"]
    assert [one.symbol for one in list_securities(connection, search="司6488")] == ["6488"]
    assert list_securities(connection, search="%") == []
    pair = list_for_bars(connection, [Venue.TPEX, Venue.EMERGING])
    assert [one.symbol for one in pair[Venue.TPEX]] == ["6488"]
    assert pair[Venue.TPEX][0][2:] == (Venue.TPEX, SecurityKind.ETF, None, None, True)
    assert pair[Venue.EMERGING] == []
    assert have_lists(connection, [Venue.TWSE, Venue.TPEX])
    assert not have_lists(connection, [Venue.TWSE, Venue.EMERGING])
    assert count_securities(connection, kind=SecurityKind.ETF) == 1
    assert count_securities(connection, venue=Venue.TWSE, search="00") == 1
