"""``quantlab bars`` and ``quantlab revisions``: a history now, adjusted and as it stood; what was changed in it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, timedelta

import pytest
from typer.testing import Result

from app.core.wiring import Platform
from app.errors import UnknownSymbol
from app.market.bar import Bar
from app.market.corporate_action import ActionKind, CorporateAction
from app.store.bars import write_bars
from app.store.corporate_actions import write_actions
from app.store.engine import transaction
from tests.integration.conftest import NOW

Run = Callable[..., Result]
DAY = date(2026, 11, 23)


@pytest.fixture
def _changed(seeded: Platform) -> None:
    """A day after the bars came (15:00 Taipei) the close is corrected, a bar is added, and a split becomes known."""
    later = NOW + timedelta(days=1)
    with transaction(seeded.engine) as connection:
        corrected = Bar("2330", DAY, close=9_980_000, volume=2100)
        write_bars(connection, [corrected], fields={"close", "volume"}, source="TWSE.test", run_id="run-9", at=later)
        added = Bar("2330", date(2026, 11, 24), 5_000_000, 5_000_000, 5_000_000, 5_000_000)
        write_bars(connection, [added], fields={"open", "high", "low", "close"}, source="t", run_id=None, at=later)
        split = CorporateAction("2330", date(2026, 11, 24), ActionKind.SPLIT, 9_980_000, 4_990_000)
        write_actions(connection, [split], period=(DAY, added.session), source="TWSE.t", run_id=None, at=later)


def closes(result: Result) -> dict[str, str | None]:
    assert result.exit_code == 0, (result.output, result.exception)
    return {one["session"]: one["close"] for one in json.loads(result.output)}


@pytest.mark.usefixtures("_changed")
def test_now_and_as_it_stood(run: Run) -> None:
    assert closes(run("bars", "2330", "--json")) == {
        "2026-11-19": "998.5",
        "2026-11-20": None,
        "2026-11-23": "998",
        "2026-11-24": "500",
    }
    stood = closes(run("bars", "2330", "--json", "--as-of", "2026-11-23T15:00"))
    assert stood == {"2026-11-19": "998.5", "2026-11-20": None, "2026-11-23": "999"}
    assert closes(run("bars", "2330", "--json", "--as-of", "2026-11-23T14:59")) == {}


@pytest.mark.usefixtures("_changed")
def test_adjusted_by_what_was_known_then(run: Run) -> None:
    """By hand: the split halves what was before it, and was unknown on the day before."""
    back = closes(run("bars", "2330", "--json", "--adjusted", "back"))
    assert (back["2026-11-23"], back["2026-11-24"]) == ("499", "500")
    forward = closes(run("bars", "2330", "--json", "--adjusted", "forward"))
    assert (forward["2026-11-23"], forward["2026-11-24"]) == ("998", "1000")
    then = closes(run("bars", "2330", "--json", "--adjusted", "back", "--as-of", "2026-11-23T23:00"))
    assert then["2026-11-23"] == "999"


@pytest.mark.usefixtures("_changed")
def test_a_table_for_people(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    result = run("bars", "2330", "--limit", "2")
    assert "SYNTHETIC PRICES" in result.output
    row = ["2026-11-23", "999", "999.5", "900.005", "998", "0.005", "2,100", "1,998,000", "5", "1"]
    assert row in [line.split() for line in result.output.splitlines()]
    assert "There are older ones: --limit, or --to 2026-11-23" in result.output
    monkeypatch.setenv("COLUMNS", "80")
    assert row[:7] in [line.split() for line in run("bars", "2330", "--limit", "2").output.splitlines()]
    assert "No bar of 2317 is held. Fetch the market's: quantlab sync bars" in run("bars", "2317").output
    assert "quantlab sync bars" in run("bars", "2317", "--as-of", "2026-11-23").output
    early = run("bars", "2330", "--as-of", "2026-11-23T14:59:59").output
    assert "No bar of 2330 was held then: they are recorded since 2026-11-23 15:00:00 (Taipei)." in early
    assert "sync" not in early
    assert "of these sessions was held: quantlab gaps" in run("bars", "2330", "--to", "2020-01-01").output
    assert isinstance(run("bars", "9999").exception, UnknownSymbol)


@pytest.mark.usefixtures("_changed")
def test_revisions_show_both_values(run: Run) -> None:
    found = json.loads(run("revisions", "2330", "--json").output)
    assert {(one["field"], one["old"], one["new"], one["run_id"]) for one in found} == {
        ("close", 9_990_000, 9_980_000, "run-9"),
        ("volume", 2000, 2100, "run-9"),
    }
    lines = [line.split() for line in run("revisions").output.splitlines() if "2330" in line]
    assert [line[4:7] for line in lines] == [["volume", "2,000", "2,100"], ["close", "999", "998"]]
    assert "changed nothing" in run("revisions", "2317").output


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("bars", "2330", "--as-of", "foo"), "'foo': write a time such as 2026-11-20T21:00, which is Taipei's"),
        (("actions", "--as-of", "2026-13-01"), "'2026-13-01': write a time such as"),
        (("bars", "2330", "--from", "20/11"), "'20/11': write a day such as 2026-11-20."),
        (("actions", "--to", "2026-02-30"), "'2026-02-30': write a day such as 2026-11-20."),
        (("sync", "bars", "--end-date", "x"), "'x': write a day such as 2026-11-20."),
        (("calendar", "close", "x", "why"), "'x': write a day such as 2026-11-20."),
        (("gaps", "--from", "x"), "'x': write a day such as 2026-11-20."),
        (("backfill", "bars", "--from", "x"), "'x': write a day such as 2026-11-20."),
        (("quarantine", "list", "--from", "x"), "'x': write a day such as 2026-11-20."),
        (("referee", "list", "--from", "x"), "'x': write a day such as 2026-11-20."),
        (("export", "csv", "--symbols", "2330", "--from", "x"), "'x': write a day such as 2026-11-20."),
    ],
)
def test_what_is_no_day_is_answered_with_an_example(run: Run, words: tuple[str, ...], sentence: str) -> None:
    result = run(*words)
    assert result.exit_code == 2
    assert sentence in " ".join(result.output.replace("│", " ").split())
