"""Units, sessions, quarantine and provenance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

import pytest
from sqlalchemy import Connection

from app.errors import ConfigurationError
from app.market.security import Venue
from app.store import leases, provenance, quarantine, sessions, units
from app.store.counts import Counts
from tests.integration.store.samples import DAY, NOW, versions

LATER = NOW + timedelta(hours=1)


@dataclass(frozen=True)
class Row:
    rule: str = "price_order"
    reason: str = "high is below low"
    symbol: str | None = "2330"
    session: date | None = DAY
    raw: Mapping[str, str] = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        object.__setattr__(self, "raw", self.raw or {"最高價": "1", "最低價": "2"})


def test_a_later_attempt_replaces_a_unit(connection: Connection) -> None:
    leases.start(connection, "a", task="t", parameters={}, trigger="manual", worker=None, at=NOW)
    for venue in (Venue.TWSE, Venue.TPEX):
        units.record(
            connection, "a", dataset="daily_bars", venue=venue, scope="2024-05-02", session=DAY, state="FAILED", at=NOW,
            error_type="SourceUnavailable", error="HTTP 503",
        )  # fmt: skip
    units.record(
        connection, "a", dataset="daily_bars", venue=Venue.TWSE, scope="2024-05-02", session=DAY, state="SUCCESS",
        at=LATER, counts=Counts(expected=1, stored=1),
    )  # fmt: skip
    tpex, twse = units.of_run(connection, "a")
    assert (tpex.venue, tpex.state, tpex.error, tpex.counts) == (Venue.TPEX, "FAILED", "HTTP 503", Counts())
    assert (twse.venue, twse.state, twse.error, twse.counts) == (Venue.TWSE, "SUCCESS", None, Counts(1, None, 1))
    assert (twse.session, twse.finished_at) == (DAY, LATER)
    assert units.of_run(connection, "b") == []


def test_an_operators_word_wins_over_an_exchanges_reply(connection: Connection) -> None:
    sessions.observe(connection, Venue.TWSE, DAY, is_open=False, at=NOW)
    assert sessions.overrides(connection) == {}
    before = versions(connection, "sessions")
    sessions.observe(connection, Venue.TWSE, DAY, is_open=False, at=LATER)
    assert versions(connection, "sessions") == before
    sessions.override(connection, DAY, is_open=True, reason="it was open", by="me", at=LATER)
    sessions.observe(connection, Venue.TWSE, DAY, is_open=False, at=LATER)
    assert sessions.overrides(connection) == {DAY: True}
    tpex, twse = sessions.list_sessions(connection, start=DAY, end=DAY)
    assert (tpex.venue, twse.venue, twse.is_open, twse.reason) == (Venue.TPEX, Venue.TWSE, True, "it was open")
    assert (twse.source, twse.recorded_by, twse.recorded_at) == ("override", "me", LATER)
    assert sessions.forget_override(connection, DAY) == 2
    assert sessions.overrides(connection) == {}


def test_an_exchange_may_change_its_mind(connection: Connection) -> None:
    sessions.observe(connection, Venue.TPEX, DAY, is_open=False, at=NOW)
    sessions.observe(connection, Venue.TPEX, DAY, is_open=True, at=LATER)
    (held,) = sessions.list_sessions(connection, start=DAY, end=DAY)
    assert (held.is_open, held.recorded_at, held.source) == (True, LATER, "exchange")


def add(connection: Connection, *rows: Row, hours: int = 0) -> int:
    when = NOW + timedelta(hours=hours)
    return quarantine.add(connection, rows, venue=Venue.TWSE, dataset="daily_bars", run_id="a", at=when)


def test_the_same_bad_row_is_one_open_row(connection: Connection) -> None:
    unread = Row(symbol=None, session=None)
    assert add(connection, Row(), unread, Row()) == 3
    assert add(connection, Row(), unread, hours=1) == 2
    assert add(connection, Row(raw={"最高價": "9"}), Row(rule="other"), hours=2) == 2
    held = quarantine.list_open(connection, session=DAY)
    assert [(one.rule, one.seen_at, one.last_seen_at) for one in held] == [
        ("other", NOW + timedelta(hours=2), NOW + timedelta(hours=2)),
        ("price_order", NOW + timedelta(hours=2), NOW + timedelta(hours=2)),
        ("price_order", NOW, LATER),
    ]
    assert held[-1].raw == {"最高價": "1", "最低價": "2"}
    assert quarantine.count_open(connection) == 4
    assert [one.symbol for one in quarantine.list_open(connection, rule="other")] == ["2330"]


def test_a_released_row_may_be_set_aside_anew(connection: Connection) -> None:
    add(connection, Row())
    (held,) = quarantine.list_open(connection)
    assert quarantine.release(connection, held.id, at=LATER)
    assert not quarantine.release(connection, held.id, at=LATER)
    assert quarantine.list_open(connection) == []
    add(connection, Row(), hours=2)
    assert quarantine.list_open(connection)[0].id != held.id


def test_nothing_to_set_aside(connection: Connection) -> None:
    assert add(connection) == 0


def test_a_database_belongs_to_one_source(connection: Connection) -> None:
    assert provenance.held_source(connection) == "sandbox"
    provenance.check(connection, "sandbox")
    with pytest.raises(ConfigurationError, match="'sandbox', but 'exchange' was asked for"):
        provenance.check(connection, "exchange")
