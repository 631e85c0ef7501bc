"""Units, sessions, quarantine and provenance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Connection, text

from app.errors import ConfigurationError
from app.market.security import Venue
from app.store import audit, leases, old_rows, provenance, quarantine, quarantine_reads, sessions, units
from app.store.counts import Counts
from app.store.quarantine_reads import Filter
from tests.integration.store.samples import DAY, NOW, bar, list_them, versions, write

LATER = NOW + timedelta(hours=1)


@dataclass(frozen=True)
class Row:
    rule: str = "price_order"
    reason: str = "high is below low"
    symbol: str | None = "2330"
    session: date | None = DAY
    raw: Mapping[str, str] = None  # type: ignore[assignment]
    parsed: Mapping[str, int] | None = None
    severity: str = "blocking"

    def __post_init__(self) -> None:
        object.__setattr__(self, "raw", self.raw or {"最高價": "1", "最低價": "2"})


def test_old_rows_of_the_audit_are_counted_and_removed(connection: Connection) -> None:
    old, new = (
        audit.begin(connection, who="ann", via="cli", action="user.add", subject=name, before=None)
        for name in ("old", "new")
    )
    connection.execute(text("UPDATE audit SET at = :at WHERE id = :id"), {"at": NOW - timedelta(days=731), "id": old})
    limit = NOW - timedelta(days=730)
    found = old_rows.look(connection, "audit", before=limit)
    assert (found.rows, found.oldest, found.newest) == (1, NOW - timedelta(days=731), NOW - timedelta(days=731))
    assert found.bytes
    assert len(audit.list_rows(connection, limit=5)) == 2
    assert old_rows.remove(connection, "audit", before=limit, at_once=10) == 1
    assert [row.id for row in audit.list_rows(connection, limit=5)] == [new]


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


EVENING = datetime(2024, 5, 2, 18, 0, tzinfo=ZoneInfo("Asia/Taipei"))
TWSE, TPEX = Venue.TWSE, Venue.TPEX


@pytest.mark.parametrize(
    ("at", "is_closed"),
    [(EVENING - timedelta(seconds=1), None), (EVENING, False), (EVENING + timedelta(days=9), False)],
)
def test_that_there_was_no_session_is_believed_from_six_oclock_on(
    connection: Connection, *, at: datetime, is_closed: bool | None
) -> None:
    sessions.observe(connection, TWSE, DAY, is_open=False, at=at)
    assert sessions.standing(connection, start=DAY, end=DAY) == {(DAY, TWSE): is_closed, (DAY, TPEX): None}
    sessions.observe(connection, TWSE, DAY, is_open=False, at=EVENING + timedelta(hours=1))
    assert sessions.standing(connection, start=DAY, end=DAY)[DAY, TWSE] is False, "and when it is said again"


def test_no_venue_was_closed_on_a_day_on_which_one_traded(connection: Connection) -> None:
    open_ones = dict.fromkeys([(DAY, TWSE), (DAY, TPEX)], True)
    list_them(connection, "2330")
    with connection.begin_nested() as savepoint:
        sessions.observe(connection, TWSE, DAY, is_open=False, at=NOW)
        write(connection, bar("2330"))
        assert sessions.standing(connection, start=DAY, end=DAY) == open_ones, "by its bars"
        savepoint.rollback()
    sessions.observe(connection, TWSE, DAY, is_open=False, at=NOW)
    assert sessions.observe(connection, TPEX, DAY, is_open=True, at=NOW) == [TWSE]
    assert sessions.standing(connection, start=DAY, end=DAY) == open_ones, "by its word"
    assert [one.venue for one in sessions.list_sessions(connection, start=DAY, end=DAY)] == [TPEX], "taken back"
    assert sessions.observe(connection, TPEX, DAY, is_open=True, at=LATER) == []


def test_an_operators_word_is_believed_at_any_time(connection: Connection) -> None:
    early = EVENING - timedelta(days=1)
    sessions.override(connection, DAY, is_open=False, reason="颱風", by="me", at=early)
    assert set(sessions.standing(connection, start=DAY, end=DAY).values()) == {False}
    sessions.override(connection, DAY, is_open=True, reason="no", by="me", at=early)
    assert set(sessions.standing(connection, start=DAY, end=DAY).values()) == {True}
    day_before = DAY - timedelta(days=1)
    assert set(sessions.standing(connection, start=day_before, end=day_before).values()) == {None}


def test_an_exchange_may_change_its_mind(connection: Connection) -> None:
    sessions.observe(connection, Venue.TPEX, DAY, is_open=False, at=NOW)
    sessions.observe(connection, Venue.TPEX, DAY, is_open=True, at=LATER)
    (held,) = sessions.list_sessions(connection, start=DAY, end=DAY)
    assert (held.is_open, held.recorded_at, held.source) == (True, LATER, "exchange")


def add(connection: Connection, *rows: Row, hours: int = 0) -> list[int]:
    when = NOW + timedelta(hours=hours)
    return quarantine.add(connection, rows, venue=Venue.TWSE, dataset="daily_bars", run_id="a", at=when)


def test_the_same_bad_row_is_one_open_row(connection: Connection) -> None:
    unread = Row(symbol=None, session=None)
    first = add(connection, Row(), unread, Row())
    assert len(first) == 2
    assert sorted(add(connection, Row(), unread, hours=1)) == sorted(first)
    assert len(add(connection, Row(raw={"最高價": "9"}), Row(rule="other"), hours=2)) == 2
    held = quarantine_reads.list_rows(connection, Filter(start=DAY, end=DAY))
    assert [(one.rule, one.seen_at, one.last_seen_at) for one in held] == [
        ("other", NOW + timedelta(hours=2), NOW + timedelta(hours=2)),
        ("price_order", NOW + timedelta(hours=2), NOW + timedelta(hours=2)),
        ("price_order", NOW, LATER),
    ]
    assert held[-1].raw == {"最高價": "1", "最低價": "2"}
    assert quarantine_reads.count_rows(connection) == 4
    assert [one.symbol for one in quarantine_reads.list_rows(connection, Filter(rule="other"))] == ["2330"]
    assert quarantine_reads.count_by_rule(connection) == {"price_order": 3, "other": 1}


def test_values_and_severity_are_kept(connection: Connection) -> None:
    add(connection, Row(parsed={"volume": 2**63 - 1, "close": None}, severity="warning"))  # type: ignore[dict-item]
    (held,) = quarantine_reads.list_rows(connection, Filter(severity="warning"))
    assert held.parsed == {"volume": 2**63 - 1, "close": None}
    assert quarantine_reads.list_rows(connection, Filter(severity="blocking")) == []


def test_filters_and_pages(connection: Connection) -> None:
    add(connection, *(Row(symbol=str(number)) for number in range(1000, 1005)), Row(session=date(2024, 5, 3)))
    assert quarantine_reads.count_rows(connection, Filter(venue=Venue.TPEX)) == 0
    assert quarantine_reads.count_rows(connection, Filter(dataset="month_bars")) == 0
    assert quarantine_reads.count_rows(connection, Filter(venue=Venue.TWSE, dataset="daily_bars", end=DAY)) == 5
    assert quarantine_reads.count_rows(connection, Filter(symbol="1003")) == 1
    pages = [quarantine_reads.list_rows(connection, limit=4, offset=offset) for offset in (0, 4, 8)]
    assert [len(page) for page in pages] == [4, 2, 0]
    assert len({one.id for page in pages for one in page}) == 6


@pytest.mark.parametrize("decision", ["stored", "dismissed"])
def test_a_persons_word_on_a_row_holds_for_the_very_same_row(connection: Connection, decision: Any) -> None:
    (first,) = add(connection, Row())
    assert quarantine.decide(connection, [first], decision, by="mei", note="seen", at=LATER) == 1
    assert quarantine.decide(connection, [first], decision, by="mei", note="again", at=LATER) == 0
    assert add(connection, Row(), hours=2) == []
    assert quarantine_reads.list_rows(connection) == []
    held = quarantine_reads.get(connection, first)
    assert held
    assert (held.decision, held.decided_by, held.note, held.released_at) == (decision, "mei", "seen", LATER)
    other = [Row(rule="other"), Row(raw={"最高價": "1"}), Row(session=date(2024, 5, 3)), Row(symbol="2317")]
    assert len(add(connection, *other, hours=3)) == 4
    right = quarantine.called_right(connection, [*other, Row()], venue=Venue.TWSE, dataset="daily_bars")
    assert right == ({4} if decision == "stored" else frozenset())
    assert quarantine.called_right(connection, [Row()], venue=Venue.TPEX, dataset="daily_bars") == frozenset()


def test_what_is_not_seen_again_is_mended_and_may_come_back(connection: Connection) -> None:
    first, second = add(connection, Row(), Row(symbol="2317"))
    (later,) = add(connection, Row(session=date(2024, 5, 3)))
    asked = {"symbol": None, "at": LATER}
    assert quarantine.mend(connection, Venue.TPEX, "daily_bars", DAY, DAY, but=[], **asked) == 0
    assert quarantine.mend(connection, Venue.TWSE, "daily_bars", DAY, DAY, but=[first], **asked) == 1
    assert {one.id for one in quarantine_reads.list_rows(connection)} == {first, later}
    found = quarantine_reads.get(connection, second)
    assert found
    assert (found.decision, found.decided_by) == ("mended", None)
    assert add(connection, Row(symbol="2317"), hours=3)[0] not in (first, second)
    asked["symbol"] = "2330"
    assert quarantine.mend(connection, Venue.TWSE, "daily_bars", DAY, date(2024, 5, 3), but=[], **asked) == 2
    assert [one.symbol for one in quarantine_reads.list_rows(connection)] == ["2317"]


def test_nothing_to_set_aside(connection: Connection) -> None:
    assert add(connection) == []


def test_a_database_belongs_to_one_source(connection: Connection) -> None:
    assert provenance.held_source(connection) == "sandbox"
    provenance.check(connection, "sandbox")
    with pytest.raises(ConfigurationError, match="'sandbox', but 'exchange' was asked for"):
        provenance.check(connection, "exchange")
