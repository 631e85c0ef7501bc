"""What a run writes down of its units."""

from __future__ import annotations

from sqlalchemy import Connection

from app.market.security import Venue
from app.store import runs, units
from tests.integration.store.samples import NOW


def test_a_reason_that_quotes_what_postgresql_does_not_take_is_kept(connection: Connection) -> None:
    runs.queue(connection, "a", task="t", parameters={}, trigger="manual", at=NOW)
    units.record(
        connection, "a", dataset="d", venue=Venue.TWSE, scope="s", state="FAILED", at=NOW, reason="a\0", error="b\udc80"
    )
    (unit,) = units.of_run(connection, "a")
    assert (unit.reason, unit.error) == ("a\ufffd", "b?")
