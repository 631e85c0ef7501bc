"""``quantlab catch-up``: the plan with its cost, running, pausing and resuming."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from typer.testing import Result

from app.core import queue, wiring
from app.core.schedules import show_schedule
from app.core.wiring import Platform
from app.store import runs
from app.store.engine import transaction

Run = Callable[..., Result]


@pytest.fixture(autouse=True)
def _friday_night(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wiring, "now", lambda: datetime(2026, 11, 20, 14, 7, tzinfo=UTC))


def good(result: Result) -> str:
    assert result.exit_code == 0, (result.output, result.exception)
    return result.output


def test_the_plan_of_an_empty_database(run: Run) -> None:
    shown = good(run("catch-up", "plan", "--days", "5"))
    assert "6 sessions of a venue" not in shown
    for text in (
        "securities",
        "TWSE",
        "2026-11-16 … 2026-11-20",
        "53 requests",
        "62 s at the least",
        "It looks next at",
    ):
        assert text in shown
    told = json.loads(good(run("catch-up", "plan", "--days", "3", "--json")))
    assert told["requests"] == {"twse": 15, "tpex": 15, "isin": 3}  # bars and four datasets of figures
    bars, *figures = [step for step in told["steps"] if step["venue"]][::2]
    assert [(step["venue"], len(step["sessions"])) for step in told["steps"][:3]] == [
        (None, 0),
        ("TWSE", 3),
        ("TPEX", 3),
    ]
    assert bars["dataset"] == "daily_bars"
    assert {step["dataset"] for step in figures} == {"institutional", "margin", "valuation", "indices"}
    assert told["steps"][1]["sessions"] == ["2026-11-20", "2026-11-19", "2026-11-18"]
    assert (told["paused"], told["run"], told["left_for_later"]) == (False, None, 0)


def test_what_is_held_is_not_in_it(run: Run, seeded: Platform) -> None:
    # One bar of two listed securities is no session, and a closure that an operator declares is none either.
    good(run("calendar", "close", "2026-11-19", "--reason", "颱風"))
    told = json.loads(good(run("catch-up", "plan", "--days", "3", "--json")))
    missing = {step["venue"]: step["sessions"] for step in told["steps"] if step["dataset"] == "daily_bars"}
    assert missing == {"TWSE": ["2026-11-18"], "TPEX": ["2026-11-20", "2026-11-18"]}
    assert [(one["venue"], one["session"]) for one in told["tried_lately"]] == [("TWSE", "2026-11-20")]
    assert "1 were tried lately" in good(run("catch-up", "plan", "--days", "3"))


def test_run_queues_one_run_on_the_backfill_queue(run: Run, platform: Platform) -> None:
    run_id = good(run("catch-up", "run", "--no-wait")).strip()
    again = good(run("catch-up", "run", "--no-wait"))
    assert run_id in again  # the same is under way
    with transaction(platform.engine) as connection:
        (one,) = runs.list_unfinished(connection, "app.tasks.catch_up")
    assert (one.id, one.queue, one.priority, one.parameters) == (run_id, "backfill", 1, {})
    assert f"The run {run_id} is QUEUED" in good(run("catch-up", "plan"))


def test_pause_and_resume(run: Run, platform: Platform) -> None:
    run_id = good(run("catch-up", "run", "--no-wait")).strip()
    assert f"The run {run_id} is cancelled." in good(run("catch-up", "pause"))
    with transaction(platform.engine) as connection:
        cancelled = runs.get(connection, run_id)
    assert cancelled.state == "CANCELLED"
    assert not show_schedule("catch-up").enabled
    assert queue.next_fires("app.tasks.catch_up", after=wiring.now(), count=1) == []
    assert "Paused by" in good(run("catch-up", "plan"))

    assert "Resumed: it looks next at" in good(run("catch-up", "resume"))
    assert show_schedule("catch-up").enabled
    assert show_schedule("catch-up").overrides == {}
