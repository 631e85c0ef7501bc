"""``quantlab quarantine`` in a terminal."""

from __future__ import annotations

import getpass
import json
from collections.abc import Callable
from datetime import date

import pytest
from sqlalchemy import text
from typer.testing import Result

from app.core.wiring import Platform, now
from app.errors import InvalidParameter, NotStorable, UnknownRow
from app.market.quality import RULES
from app.market.security import Venue
from app.sources.base import RejectedRow
from app.store import quarantine, quarantine_reads
from app.store.bar_reads import read_bars
from app.store.engine import transaction

DAY = date(2026, 11, 18)


@pytest.fixture
def ids(seeded: Platform) -> dict[str, int]:
    values = {
        "open": 9_900_000,
        "high": 9_800_000,
        "low": 9_800_000,
        "close": 9_850_000,
        "volume": 1_000,
        "trades": None,
    }
    rows = [
        RejectedRow("ohlc-order", "The four prices are out of order.", {"最高價": "980.00"}, "2330", DAY, values),
        RejectedRow("zero-price", "a price of 0.00 is none", {"收盤價": "0.00"}, "2317", DAY),
    ]
    with transaction(seeded.engine) as connection:
        quarantine.add(connection, rows, venue=Venue.TWSE, dataset="daily_bars", run_id=None, at=now())
        return {row.rule: row.id for row in quarantine_reads.list_rows(connection)}


def test_list_and_show(run: Callable[..., Result], ids: dict[str, int]) -> None:
    shown = run("quarantine", "list").output
    assert "ohlc-order" in shown
    assert "2 of 2: ohlc-order 1, zero-price 1" in shown
    listed = json.loads(run("quarantine", "list", "--rule", "zero-price", "--symbol", "2317", "--json").output)
    assert (listed["total"], [row["symbol"] for row in listed["rows"]]) == (1, ["2317"])
    assert "No such row waits" in run("quarantine", "list", "--from", "2026-11-19").output
    shown = run("quarantine", "show", str(ids["ohlc-order"])).output
    for words in ("最高價", "980.00", "high", "980", "absent", RULES["ohlc-order"].sentence):
        assert words in shown
    assert json.loads(run("quarantine", "show", str(ids["zero-price"]), "--json").output)["parsed"] is None


def test_rules(run: Callable[..., Result], ids: dict[str, int]) -> None:
    rules = {rule["id"]: rule["open"] for rule in json.loads(run("quarantine", "rules", "--json").output)}
    assert rules == {**dict.fromkeys(RULES, 0), "ohlc-order": 1, "zero-price": 1}
    assert RULES["tick-size"].sentence in run("quarantine", "rules").output


def test_release_and_dismiss(platform: Platform, run: Callable[..., Result], ids: dict[str, int]) -> None:
    done = run("quarantine", "release", str(ids["ohlc-order"]), "--note", "as printed")
    assert done.output == f"{ids['ohlc-order']} stored: TWSE 2026-11-18 2330 ohlc-order\n"
    with transaction(platform.engine) as connection:
        assert [bar.high for bar in read_bars(connection, "2330", start=DAY, end=DAY)] == [9_800_000]
    done = json.loads(run("quarantine", "dismiss", str(ids["zero-price"]), "--note", "no trade", "--json").output)
    assert [(row["decision"], row["decided_by"]) for row in done] == [("dismissed", getpass.getuser())]
    assert "No such row waits" in run("quarantine", "list").output
    assert "dismissed" in run("quarantine", "list", "--all").output


def test_reparse_is_a_run_of_the_replay(platform: Platform, run: Callable[..., Result]) -> None:
    done = run("quarantine", "reparse", "--rule", "tick-size", "--from", "2026-11-01", "--no-wait")
    assert done.exit_code == 0, done.output
    with transaction(platform.engine) as connection:
        task, parameters = connection.execute(text("SELECT task, parameters FROM runs")).one()
    assert task == "app.tasks.replay_archive"
    assert parameters == {"start": "2026-11-01", "quarantined": True, "rule": "tick-size"}


@pytest.mark.parametrize(
    ("words", "error", "sentence"),
    [
        (["show", "99"], UnknownRow, "no quarantined row 99"),
        (["release", "99", "--note", "x"], UnknownRow, "no quarantined row 99"),
        (["dismiss", "{ohlc-order}", "--note", " "], InvalidParameter, "Say why"),
        (["release", "{zero-price}", "--note", "x"], NotStorable, "before it had values"),
        (["list", "--rule", "tick"], InvalidParameter, "There is no rule 'tick'"),
        (["reparse", "--rule", "tick"], InvalidParameter, "There is no rule 'tick'"),
    ],
)
def test_what_is_refused(
    run: Callable[..., Result], ids: dict[str, int], words: list[str], error: type[Exception], sentence: str
) -> None:
    done = run("quarantine", *(word.format_map(ids) for word in words))
    assert isinstance(done.exception, error)
    assert sentence in str(done.exception)


def test_a_note_must_be_given(run: Callable[..., Result]) -> None:
    assert run("quarantine", "release", "1").exit_code == 2
