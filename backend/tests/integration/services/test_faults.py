"""Each fault of an exchange's bad days: its typed error, nothing wrong stored, and the next good run repairs it."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from app.errors import (
    RETRIABLE,
    NotASession,
    RateLimited,
    SourceChanged,
    SourceError,
    SourceRefused,
    SourceUnavailable,
    WrongDate,
)
from app.services import decisions
from app.services.sync_daily_bars import sync_daily_bars
from app.services.sync_securities import sync_securities
from app.sources.http import Client

FRIDAY = date(2026, 11, 20)
WHOLE = 1347 + 1009

FATAL = [
    ("429", RateLimited),
    ("ban-page", SourceRefused),
    ("307", SourceRefused),
    ("5xx", SourceUnavailable),
    ("html", SourceRefused),
    ("empty", SourceUnavailable),
    ("truncated", SourceUnavailable),
    ("reset", SourceUnavailable),
    ("slow", SourceUnavailable),
    ("wrong-date", WrongDate),
    ("missing-column", SourceChanged),
]


def forget_breakers(bench: Any) -> None:
    for site in ("twse", "tpex"):
        bench.context.redis.delete(f"quantlab:breaker:{site}:open", f"quantlab:breaker:{site}:failures")


@pytest.mark.parametrize(("kind", "error"), FATAL)
def test_a_fault_on_one_venue_fails_that_unit_alone(bench: Any, kind: str, error: type[SourceError]) -> None:
    bench.sandbox.fault("twse", kind, path="MI_INDEX", times=None, seconds=5)
    report = sync_daily_bars(bench.context, start=FRIDAY, end=FRIDAY)

    assert report.state == "PARTIAL"
    assert isinstance(report.mendable, RETRIABLE) == issubclass(error, RETRIABLE), "tried again if that may mend it"
    failed = bench.rows("SELECT venue, error_type, error FROM units WHERE state = 'FAILED'")
    assert [(venue, name) for venue, name, _ in failed] == [("TWSE", error.__name__)]
    assert len(failed[0][2].split()) >= 3  # a sentence
    assert bench.rows("SELECT DISTINCT s.venue FROM bars b JOIN securities s ON s.id = b.security_id") == [("TPEX",)]

    bench.sandbox.heal()
    forget_breakers(bench)
    repaired = sync_daily_bars(bench.context, start=FRIDAY, end=FRIDAY)
    assert repaired.state == "SUCCESS"
    assert (repaired.counts.stored, repaired.counts.unchanged) == (1347, 1009)


@pytest.mark.parametrize(("kind", "error"), FATAL)
def test_when_every_unit_fails_the_error_is_raised(bench: Any, kind: str, error: type[SourceError]) -> None:
    bench.sandbox.fault("*", kind, times=None, seconds=5)
    with pytest.raises(error):
        sync_daily_bars(bench.context, start=FRIDAY, end=FRIDAY)
    assert bench.number("SELECT count(*) FROM bars") == 0


def test_an_added_column_is_no_fault(bench: Any) -> None:
    bench.sandbox.fault("*", "extra-column", times=None)
    report = sync_daily_bars(bench.context, start=FRIDAY, end=FRIDAY)
    assert report.counts.stored == WHOLE


def test_dirty_cells_go_to_quarantine_and_the_rest_is_stored(bench: Any) -> None:
    bench.sandbox.fault("twse", "bad-cells", path="MI_INDEX", times=None)
    report = sync_daily_bars(bench.context, start=FRIDAY, end=FRIDAY)

    assert report.state == "SUCCESS"
    assert report.counts.quarantined
    held = bench.rows("SELECT rule, reason, symbol, session, raw, run_id FROM quarantine")
    assert len(held) == report.counts.quarantined
    assert {row.session for row in held} == {FRIDAY}
    assert all(row.raw and row.reason and row.symbol and row.run_id == "run-1" for row in held)
    assert bench.number("SELECT count(*) FROM bars") == WHOLE - len(held)

    # The same dirt again adds no second row; the good reply then fills what was missing.
    sync_daily_bars(bench.context, start=FRIDAY, end=FRIDAY)
    assert bench.number("SELECT count(*) FROM quarantine") == len(held)
    bench.sandbox.heal()
    repaired = sync_daily_bars(bench.context, start=FRIDAY, end=FRIDAY)
    assert repaired.counts.stored == len(held)
    assert bench.number("SELECT count(*) FROM bars") == WHOLE


def test_rows_out_of_order_can_be_released(bench: Any) -> None:
    bench.sandbox.fault("twse", "bad-order", path="MI_INDEX")
    assert sync_daily_bars(bench.context, start=FRIDAY, end=FRIDAY).counts.quarantined == 3
    held = bench.rows("SELECT id, rule, symbol, parsed FROM quarantine WHERE released_at IS NULL")
    assert [row.rule for row in held] == ["ohlc-order"] * 3
    decisions.release(bench.context, [row.id for row in held], by="mei", note="to try it")
    stored = bench.rows(
        "SELECT symbol, high, low FROM bars b JOIN securities s ON s.id = b.security_id WHERE low > high ORDER BY 1"
    )
    assert [row.symbol for row in stored] == sorted(row.symbol for row in held)


def test_a_ban_page_opens_the_breaker_and_nobody_asks_again(bench: Any) -> None:
    bench.sandbox.fault("twse", "ban-page", times=1)
    sync_daily_bars(bench.context, start=date(2026, 11, 16), end=FRIDAY)

    assert sum(bench.sandbox.requests()["twse"].values()) == 1
    reasons = bench.rows("SELECT DISTINCT error FROM units WHERE state = 'FAILED' AND session < '2026-11-20'")
    assert len(reasons) == 1
    assert "not asked since" in reasons[0][0]


def test_lists_that_do_not_come_delist_nobody(bench: Any) -> None:
    bench.sandbox.fault("isin", "empty", times=None)
    with pytest.raises(SourceError):
        sync_securities(bench.context)
    assert bench.number("SELECT count(*) FROM securities WHERE on_list") == 1347 + 1009 + 12


class TimeIsUp(Exception):
    """As a soft time limit arrives: in the middle of a unit."""


def test_a_time_limit_ends_the_run_and_not_one_unit(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    context = replace(bench.context, interrupts=(TimeIsUp,))
    asked = []

    def fetch(self: Client, *_: object) -> None:
        asked.append(1)
        raise TimeIsUp

    monkeypatch.setattr(Client, "fetch", fetch)
    with pytest.raises(TimeIsUp):
        sync_daily_bars(context, start=date(2026, 11, 16), end=FRIDAY)
    assert len(asked) == 1


def test_a_range_without_a_session_is_said_to_be_one(bench: Any) -> None:
    with pytest.raises(NotASession, match="2026-11-14 to 2026-11-15"):
        sync_daily_bars(bench.context, start=date(2026, 11, 14), end=date(2026, 11, 15))
