"""Lists in an order that was chosen: whatever rows there are, its pages have each one once, and in that order."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, insert, text

from app.errors import UnknownRow
from app.market.security import Venue
from app.store import audit, differences, quarantine_reads, revisions, securities, tables
from app.store.securities import ids_for
from tests.integration.store.samples import list_them

AT = datetime(2026, 11, 20, tzinfo=UTC)
ALL = quarantine_reads.Filter(decided=None)
FEW = [date(2026, 11, 18), date(2026, 11, 19), date(2026, 11, 20)]
day = st.sampled_from(FEW)
SYMBOLS = ["1101", "2330", "6488"]
symbol = st.sampled_from(SYMBOLS)


def some(**columns: st.SearchStrategy[Any]) -> st.SearchStrategy[list[dict[str, Any]]]:
    """Few values, so that there are ties, and many rows."""
    return st.lists(st.fixed_dictionaries(columns), max_size=9)


def pages(read: Callable[[Any], list[Any]], name: Callable[[Any], Any]) -> list[Any]:
    """Every row, read three at a time, each page from the last row of the one before."""
    found: list[Any] = []
    last = None
    while page := read(last):
        found += page
        last = name(page[-1])
        assert len(found) < 100
    return found


def ordered(rows: list[Any], order: str, none: Any, tie: str = "id") -> bool:
    """Whether they stand in that order as Python sorts them; what has no value counts as *none*."""
    column = order.removeprefix("-")

    def key(row: Any) -> Any:
        value = getattr(row, column)
        return (none if value is None else value, getattr(row, tie))

    return [key(row) for row in rows] == sorted((key(row) for row in rows), reverse=order.startswith("-"))


several = settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    derandomize=True,
)


@several
@given(rows=some(industry=st.sampled_from([None, "a", "b"]), listed_on=st.none() | day, name=st.sampled_from("xyz")))
@pytest.mark.parametrize("order", get_args(securities.Order))
def test_securities(connection: Connection, order: securities.Order, rows: list[dict[str, Any]]) -> None:
    savepoint = connection.begin_nested()
    for number, row in enumerate(rows):
        own = {"symbol": f"{1000 + number * 7 % 10}", "venue": ("TWSE", "TPEX")[number % 2], "kind": "stock"}
        seen = {"on_list": True, "first_seen_at": AT, "updated_at": AT}
        connection.execute(insert(tables.securities).values(**row, **own, **seen))

    def read(after: str | None) -> list[Any]:
        return securities.list_securities(connection, order=order, after=after or "", limit=3)

    found = pages(read, lambda row: row.symbol)
    assert len({row.symbol for row in found}) == len(found) == len(rows)
    assert ordered(found, order, date.min if "listed" in order else "", tie="symbol")
    savepoint.rollback()


@several
@given(
    rows=some(session=st.none() | day, symbol=st.none() | symbol, rule=st.sampled_from("abc"), hour=st.integers(0, 2))
)
@pytest.mark.parametrize("order", get_args(quarantine_reads.Order))
def test_quarantine(connection: Connection, order: quarantine_reads.Order, rows: list[dict[str, Any]]) -> None:
    savepoint = connection.begin_nested()
    for number, row in enumerate(rows):
        at = AT.replace(hour=row.pop("hour"))
        own = {"venue": Venue.TWSE, "dataset": "daily_bars", "reason": "so", "raw": {"n": number}}
        connection.execute(insert(tables.quarantine).values(**row, **own, seen_at=at, last_seen_at=at))
    found = pages(
        lambda after: quarantine_reads.list_rows(connection, order=order, after=after, limit=3), lambda r: r.id
    )
    assert len({row.id for row in found}) == len(found) == len(rows)
    assert ordered(found, order, date.min if "session" in order else "")
    savepoint.rollback()


@several
@given(rows=some(session=day, symbol=symbol))
@pytest.mark.parametrize("order", get_args(revisions.Order))
def test_revisions(connection: Connection, order: revisions.Order, rows: list[dict[str, Any]]) -> None:
    savepoint = connection.begin_nested()
    list_them(connection, *SYMBOLS)
    ids = ids_for(connection, SYMBOLS)
    for row in rows:
        own = {"security_id": ids[row["symbol"]], "session": row["session"], "field": "volume", "old": 1, "new": 2}
        connection.execute(insert(tables.revisions).values(**own, source="test", seen_at=AT))
    found = pages(lambda after: revisions.list_revisions(connection, order=order, after=after, limit=3), lambda r: r.id)
    assert len({row.id for row in found}) == len(found) == len(rows)
    assert ordered(found, order, None)
    savepoint.rollback()


@several
@given(
    cells=st.sets(st.tuples(day, symbol, st.sampled_from(["finlab", "finmind"]), st.sampled_from(["close", "volume"])))
)
@pytest.mark.parametrize("order", get_args(differences.Order))
def test_differences(connection: Connection, order: differences.Order, cells: set[differences.Place]) -> None:
    savepoint = connection.begin_nested()
    list_them(connection, *SYMBOLS)
    ids = ids_for(connection, SYMBOLS)
    for session, of, source, field in cells:
        own = {"security_id": ids[of], "session": session, "source": source, "field": field, "ours": 1, "theirs": 2}
        connection.execute(insert(tables.differences).values(**own, seen_at=AT))

    def name(row: differences.HeldDifference) -> differences.Place:
        return row.session, row.symbol, row.source, row.field

    def read(after: differences.Place | None) -> list[differences.HeldDifference]:
        return differences.list_differences(connection, order=order, after=after, limit=3)

    found = [name(row) for row in pages(read, name)]
    first = ("session", "symbol", "source", "field").index(order.removeprefix("-"))
    assert found == sorted(sorted(cells), key=lambda cell: cell[first], reverse=order.startswith("-"))
    savepoint.rollback()


@several
@given(rows=some(who=st.sampled_from(["ann", "bob"]), action=st.sampled_from(["run.start", "user.add"])))
@pytest.mark.parametrize("order", get_args(audit.Order))
def test_audit(connection: Connection, order: audit.Order, rows: list[dict[str, Any]]) -> None:
    savepoint = connection.begin_nested()
    for row in rows:
        audit.begin(connection, via="cli", subject="x", before=None, **row)
    found = pages(lambda before: audit.list_rows(connection, order=order, before=before, limit=3), lambda row: row.id)
    assert len({row.id for row in found}) == len(found) == len(rows)
    assert ordered(found, order, None)
    savepoint.rollback()


def test_a_page_after_a_row_that_is_gone_is_refused(connection: Connection) -> None:
    with pytest.raises(UnknownRow, match="begin with the first page"):
        quarantine_reads.list_rows(connection, order="rule", after=999_999)
    with pytest.raises(UnknownRow):
        audit.list_rows(connection, order="who", before=999_999, limit=3)
    assert audit.list_rows(connection, before=999_999, limit=3) == []  # old rows are removed; by the instant it goes on


@pytest.mark.parametrize(
    ("index", "read"),
    [
        ("quarantine_by_session_idx", lambda c: quarantine_reads.list_rows(c, ALL, order="-session", limit=5)),
        ("quarantine_by_symbol_idx", lambda c: quarantine_reads.list_rows(c, ALL, order="symbol", limit=5)),
        ("revisions_session_id_idx", lambda c: revisions.list_revisions(c, order="-session", limit=5)),
        ("audit_who_idx", lambda c: audit.list_rows(c, order="who", limit=5)),
    ],
)  # fmt: skip
def test_a_long_list_is_not_sorted_for_a_page(
    connection: Connection, index: str, read: Callable[[Connection], Any]
) -> None:
    """PostgreSQL has used the index, as it counts; a skip scan is many."""
    connection.execute(text("SET LOCAL enable_sort = off"))
    connection.execute(text("SET LOCAL enable_seqscan = off"))
    read(connection)
    used = "SELECT pg_stat_get_xact_numscans(CAST(:index AS regclass))"
    assert connection.scalar(text(used), {"index": index}) >= 1
