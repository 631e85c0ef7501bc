"""Coverage that is counted while somebody else writes: the numbers are those of what is held in the end."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import Connection, Engine, text

from app.market.security import Venue
from app.sources.base import RejectedRow
from app.store import coverage, figures, quarantine
from app.store.coverage import BARS, account, account_again, account_set_aside, read_coverage
from app.store.engine import transaction
from tests.conftest import wait_until
from tests.integration.store.samples import DAY, NOW, bar, list_them, write

LATER = NOW + timedelta(minutes=1)
BESIDE: dict[str, Callable[[Connection], object]] = {
    "the list changes": lambda connection: account_again(connection, Venue.TWSE, since=DAY, at=LATER),
    "a row is dismissed": lambda connection: account_set_aside(connection, BARS, Venue.TWSE, DAY, at=LATER),
    "halts change": lambda connection: account(connection, Venue.TWSE, [DAY], at=LATER),
}


def beside(engine: Engine, counts: Callable[[Connection], object], connection: Connection) -> None:
    """Begin *counts* while *connection*'s transaction is open; it waits for that to end, as it must."""

    def count() -> None:
        with transaction(engine) as other:
            counts(other)

    counting = threading.Thread(target=count)
    counting.start()

    def waits() -> bool:
        with transaction(engine) as third:
            waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted AND pid <> pg_backend_pid()")
            return bool(third.scalar(waiting))

    try:
        wait_until(waits, within=10, what="a count that waits for the writer")
    finally:
        connection.commit()
        counting.join(timeout=10)
    assert not counting.is_alive()


@pytest.mark.parametrize("counts", BESIDE.values(), ids=BESIDE)
def test_a_count_beside_a_write_of_bars(engine: Engine, counts: Callable[[Connection], object]) -> None:
    with transaction(engine) as connection:
        list_them(connection, "2317", "2330", "2412")
        write(connection, bar("2330"))
        account(connection, Venue.TWSE, [DAY], at=NOW)
    with engine.connect() as writer:
        write(writer, bar("2317"), bar("2412"))
        account(writer, Venue.TWSE, [DAY], at=NOW)
        beside(engine, counts, writer)
    with transaction(engine) as connection:
        (one,) = read_coverage(connection, start=DAY, end=DAY)
    assert (one.expected, one.held, one.missing) == (3, 3, 0)


def test_a_decision_beside_a_write_of_figures(engine: Engine) -> None:
    def reject(connection: Connection, *symbols: str) -> None:
        rows = [RejectedRow("sum", "they do not add up", {"代號": one}, symbol=one, session=DAY) for one in symbols]
        quarantine.add(connection, rows, venue=Venue.TWSE, dataset="margin", run_id=None, at=NOW)
        figures.write_figures(connection, "margin", [], fields=["buy"], at=NOW)
        figures.account(connection, "margin", Venue.TWSE, DAY, came=5, new=0, quarantined=len(symbols), at=NOW)

    with transaction(engine) as connection:
        reject(connection, "2317")
    with engine.connect() as writer:
        reject(writer, "2317", "2330", "2412")
        beside(engine, lambda other: account_set_aside(other, "margin", Venue.TWSE, DAY, at=LATER), writer)
    with transaction(engine) as connection:
        (one,) = coverage.read_coverage(connection, start=DAY, end=DAY)
    assert (one.expected, one.held, one.quarantined) == (8, 5, 3)
