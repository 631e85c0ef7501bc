from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import Connection, text

from app.errors import InvalidParameter, InvalidRow
from app.market.figures import Figures
from app.market.security import Venue
from app.store.coverage import read_coverage
from app.store.figures import Written, account, list_fields, read_figures, write_figures

NOW = datetime(2024, 5, 3, 14, 5, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
MONDAY, TUESDAY = date(2024, 4, 29), date(2024, 4, 30)


def row(symbol: str, session: date = MONDAY, **values: int | None) -> Figures:
    return Figures(symbol, session, values)


def write(
    connection: Connection, *rows: Figures, fields: tuple[str, ...] = ("buy", "sell"), at: datetime = NOW
) -> Written:
    return write_figures(connection, "trades", rows, fields=fields, at=at)


def count(connection: Connection) -> int:
    return int(connection.scalar(text("SELECT count(*) FROM figures")) or 0)


def test_what_was_written_is_read_by_name_and_absence_stays_absence(connection: Connection) -> None:
    rows = (row("2330", buy=5, sell=None), row("TAIEX", buy=-7, sell=0), row("2330", TUESDAY, buy=6, sell=2**62))
    assert write(connection, *rows) == Written(stored=3)
    assert read_figures(connection, "trades") == [rows[0], rows[1], rows[2]]
    assert read_figures(connection, "trades", symbols=["2330"], end=MONDAY) == [rows[0]]
    assert read_figures(connection, "trades", symbols=["2330"], limit=1) == [rows[2]]
    assert read_figures(connection, "trades", start=TUESDAY, fields=["sell"]) == [row("2330", TUESDAY, sell=2**62)]
    assert read_figures(connection, "trades", symbols=["9999"]) == read_figures(connection, "nothing") == []


def test_the_same_again_writes_nothing(connection: Connection) -> None:
    write(connection, row("2330", buy=5, sell=None), row("2317", buy=1, sell=1))
    again = write(connection, row("2317", buy=1, sell=1), row("2330", buy=5, sell=None), at=LATER)
    assert again == Written(unchanged=2)
    assert count(connection) == 2


def test_a_changed_value_is_kept_with_the_old_one(connection: Connection) -> None:
    write(connection, row("2330", buy=5, sell=1), row("2317", buy=1, sell=1))
    assert write(connection, row("2330", buy=6, sell=1), row("2317", buy=1, sell=1), at=LATER) == Written(1, 1, 1)
    assert read_figures(connection, "trades", symbols=["2330"]) == [row("2330", buy=6, sell=1)]
    assert read_figures(connection, "trades", symbols=["2330"], as_of=NOW) == [row("2330", buy=5, sell=1)]
    assert read_figures(connection, "trades", as_of=NOW - timedelta(seconds=1)) == []
    assert count(connection) == 3


def test_what_is_written_last_holds_though_the_clock_went_back(connection: Connection) -> None:
    write(connection, row("2330", buy=5, sell=1), at=LATER)
    for buy in (6, 7):
        assert write(connection, row("2330", buy=buy, sell=1), at=NOW).revised == 1
        assert read_figures(connection, "trades") == [row("2330", buy=buy, sell=1)]


def test_the_limit_counts_rows_that_hold_and_not_their_revisions(connection: Connection) -> None:
    for step in range(3):
        write(connection, row("2330", TUESDAY, buy=step, sell=0), at=NOW + timedelta(minutes=step))
    write(connection, row("2330", buy=9, sell=0))
    assert [one.values["buy"] for one in read_figures(connection, "trades", limit=2)] == [9, 2]


def test_a_field_that_a_source_does_not_publish_stays_as_it_is_held(connection: Connection) -> None:
    write(connection, row("2330", buy=5, sell=1))
    assert write(connection, row("2330", buy=5), at=LATER) == Written(unchanged=1)
    assert write(connection, row("2330", buy=6), at=LATER) == Written(1, 1, 0)
    assert read_figures(connection, "trades") == [row("2330", buy=6, sell=1)]


def test_fields_are_appended_whatever_order_a_later_release_has(connection: Connection) -> None:
    write(connection, row("2330", buy=5, sell=1))
    write(connection, row("2317", net=4, sell=2), fields=("net", "sell", "buy"), at=LATER)
    assert list_fields(connection) == {"trades": ("buy", "sell", "net")}
    assert read_figures(connection, "trades") == [
        row("2317", buy=None, sell=2, net=4),
        row("2330", buy=5, sell=1, net=None),
    ]
    assert write(connection, row("2330", buy=5, sell=1, net=None), fields=("buy", "sell", "net"), at=LATER).stored == 0


@pytest.mark.parametrize(
    ("rows", "error", "sentence"),
    [
        ([row("2330", buy=1), row("2330", buy=1)], InvalidRow, "twice"),
        ([row("2330", bought=1)], InvalidParameter, "trades has no field bought; it has buy, sell"),
    ],
)
def test_what_cannot_be_written(
    connection: Connection, rows: list[Figures], error: type[Exception], sentence: str
) -> None:
    with pytest.raises(error, match=sentence):
        write(connection, *rows)
    assert count(connection) == 0


def test_an_unknown_field_is_named(connection: Connection) -> None:
    write(connection, row("2330", buy=1))
    with pytest.raises(InvalidParameter, match="no field net; it has buy, sell"):
        read_figures(connection, "trades", fields=["net"])


def test_accounting_expects_what_came_unless_that_is_far_less_than_before(connection: Connection) -> None:
    def told(session: date) -> list[tuple[int, int, int, int]]:
        found = read_coverage(connection, start=session, end=session, dataset="trades", venue=Venue.TWSE)
        return [(one.expected, one.held, one.quarantined, one.missing) for one in found]

    def count(session: date, came: int, new: int | None = None, quarantined: int = 0) -> int:
        given = {"came": came, "new": came if new is None else new, "quarantined": quarantined, "at": NOW}
        return account(connection, "trades", Venue.TWSE, session, **given)  # type: ignore[arg-type]

    assert count(MONDAY, 95, quarantined=5) == 100
    assert count(TUESDAY, 90) == 90
    assert (told(MONDAY), told(TUESDAY)) == ([(100, 95, 5, 0)], [(90, 90, 0, 0)])
    wednesday = TUESDAY + timedelta(days=1)
    assert count(wednesday, 70, quarantined=1) == 90
    assert told(wednesday) == [(90, 70, 1, 19)]
    # Read again: what a reply lacks is held all the same, and what it has besides is.
    assert count(wednesday, 20, new=15) == 85
    assert told(wednesday) == [(85, 85, 0, 0)]
    assert count(wednesday, 84, new=0, quarantined=1) == 85
    assert told(wednesday) == [(85, 85, 0, 0)]


def test_the_standard_does_not_wear_off(connection: Connection) -> None:
    def count(day: int, came: int) -> int:
        session = MONDAY + timedelta(days=day)
        return account(connection, "margin", Venue.TWSE, session, came=came, new=came, quarantined=0, at=NOW)

    assert [count(day, came) for day, came in enumerate((1000, 790, 640, 520))] == [1000] * 4
    # Nor does a slow loss become usual in days; one odd day is no standard either.
    assert [count(day, came) for day, came in enumerate((1000, 905, 815, 1300, 990), start=4)] == [
        1000, 905, 1000, 1300, 990,
    ]  # fmt: skip
