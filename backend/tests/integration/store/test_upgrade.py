"""A database of the first release becomes this one's: nothing of it is lost, and it is accounted for."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from app.market.security import Venue
from app.store import migrate, runs
from app.store.coverage import read_coverage
from app.store.engine import Connection, make_engine, transaction

FIRST_RELEASE = Path(__file__).with_name("first_release.sql")
DAYS = [date(2026, 11, day) for day in range(16, 21)]
SUMS = (
    "SELECT count(*), sum(volume), sum(turnover), sum(trades), sum(open), sum(high), sum(low), sum(close), sum(change)"
)
TABLES = ("bars", "provenance", "quarantine", "revisions", "runs", "securities", "sessions", "units")
COUNTED = {
    # expected, held, quarantined, explained, missing: by hand, from the rows of the file
    (Venue.TWSE, 16): (4, 4, 0, {}, 0),
    (Venue.TWSE, 17): (4, 4, 0, {}, 0),
    (Venue.TWSE, 18): (3, 2, 0, {"no_trade": 1}, 0),  # 9188 is gone, 0050 did not trade
    (Venue.TWSE, 19): (3, 2, 0, {}, 1),  # 2317 is missing
    (Venue.TWSE, 20): (3, 2, 1, {}, 0),  # and of this day it waits in quarantine
    **{(Venue.TPEX, day): (1, 1, 0, {}, 0) for day in range(16, 21)},
}


@pytest.fixture
def old(empty_database_url: str) -> Iterator[Engine]:
    engine = make_engine(empty_database_url, application_name="tests", pool_size=1)
    with transaction(engine) as connection:
        connection.exec_driver_sql(FIRST_RELEASE.read_text(encoding="utf-8").replace("%", "%%"))
    yield engine
    engine.dispose()


def rows(connection: Connection) -> dict[str, list[dict[str, object]]]:
    found = {}
    for table in TABLES:
        query = f"SELECT to_jsonb(t) FROM {table} AS t ORDER BY to_jsonb(t)::text"
        found[table] = [dict(row) for row in connection.scalars(text(query))]
    return found


def test_what_the_first_release_held_is_held_and_counted(old: Engine, empty_database_url: str) -> None:
    with transaction(old) as connection:
        before = rows(connection)
    assert {table: len(held) for table, held in before.items()} == {
        "bars": 20,
        "provenance": 1,
        "quarantine": 2,
        "revisions": 2,
        "runs": 7,
        "securities": 6,
        "sessions": 1,
        "units": 3,
    }
    assert migrate.current(empty_database_url) == "0001"
    assert migrate.upgrade(empty_database_url, source="sandbox") == migrate.head()

    with transaction(old) as connection:
        assert migrate.differences(connection) == []
        after = rows(connection)
        for table, held in before.items():
            columns = held[0].keys()
            kept = [{name: row[name] for name in columns} for row in after[table]]
            assert sorted(map(repr, kept)) == sorted(map(repr, held)), table
        sums = connection.execute(text(f"{SUMS} FROM bars")).one()
        assert tuple(map(int, sums)) == (
            *(20, 566_000, 10_700_000, 331),
            *(19_061_100, 19_156_100, 18_966_100, 19_080_100, 1_849),
        )
        counted = read_coverage(connection, start=DAYS[0], end=DAYS[-1])
        assert {
            (one.venue, one.session.day): (one.expected, one.held, one.quarantined, one.explained, one.missing)
            for one in counted
        } == COUNTED

        # What was under way has an end to its lease, what was asked for twice stays so, what was decided is decided.
        told = {run.id: run for run in runs.list_runs(connection)}
        assert told["success"].counts.stored == 20
        started = connection.execute(text("SELECT lease_until < now() FROM runs WHERE id = 'started'")).scalar_one()
        assert started
        assert connection.scalars(text("SELECT id FROM runs WHERE forced ORDER BY id")).all() == [
            *("queued", "retry", "started"),
        ]
        decided = connection.execute(text("SELECT symbol, decision FROM quarantine ORDER BY id")).all()
        assert [tuple(row) for row in decided] == [("2317", None), ("6488", "dismissed")]
        # The numbers go on where they were.
        new = (
            "INSERT INTO revisions (security_id, session, field, new, source, seen_at)"
            " VALUES (1, now(), 'open', 1, '', now()) RETURNING id"
        )
        assert connection.scalar(text(new)) == 3


def test_a_later_database_that_was_never_counted_is_counted_once(old: Engine, empty_database_url: str) -> None:
    from alembic import command

    with transaction(old) as connection:
        command.upgrade(migrate._config(connection), "0006")
        connection.execute(
            text("INSERT INTO coverage VALUES ('daily_bars', 'TWSE', '2026-11-16', 9, 9, 0, '{}', 0, :at)"),
            {"at": datetime(2026, 11, 16, tzinfo=UTC)},
        )
    migrate.upgrade(empty_database_url, source="sandbox")
    with transaction(old) as connection:
        counted = read_coverage(connection, start=DAYS[0], end=DAYS[-1])
        assert len(counted) == len(COUNTED)
        (known,) = [one for one in counted if (one.venue, one.session.day) == (Venue.TWSE, 16)]
        assert known.expected == 9  # what somebody counted is not counted again
        connection.execute(text("DELETE FROM coverage"))
    migrate.upgrade(empty_database_url, source="sandbox")
    with transaction(old) as connection:
        assert read_coverage(connection, start=DAYS[0], end=DAYS[-1]) == []
