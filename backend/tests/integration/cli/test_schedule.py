"""``quantlab schedule``: listing, changing and previewing in a terminal."""

from __future__ import annotations

import getpass
import json
from collections.abc import Callable

import pytest
from typer.testing import Result

from app.core import schedules
from app.errors import InvalidParameter, UnknownSchedule


@pytest.fixture(autouse=True)
def _nothing_remembered() -> None:
    schedules._forget_rows()


def test_set_show_pause_resume_reset(run: Callable[..., Result]) -> None:
    done = run(
        "schedule",
        "set",
        "sync-daily-prices",
        "--timing",
        "close+90m",
        "--parameters",
        '{"days": 3}',
        "--misfire",
        "all",
    )
    assert done.exit_code == 0, done.output
    assert "90 min after the close of each session" in done.output
    assert f"changed by {getpass.getuser()}" in done.output
    listed = run("schedule", "list").output
    assert "sync-daily-prices *" in listed
    assert "all, up to 12 h late" in listed
    shown = json.loads(run("schedule", "show", "sync-daily-prices", "--json").output)
    assert shown["overrides"] == {"timing": "close+90m", "parameters": {"days": 3}, "misfire": "all"}
    assert len(shown["next_fires"]) == 5
    assert "paused (90 min after" in run("schedule", "pause", "sync-daily-prices").output
    assert "no next fire" in run("schedule", "show", "sync-daily-prices").output
    assert "paused" not in run("schedule", "resume", "sync-daily-prices").output
    assert "daily 21:00" in run("schedule", "reset", "sync-daily-prices").output
    assert "*" not in run("schedule", "list").output.split("sync-ohlcv-data")[0]


def test_preview(run: Callable[..., Result]) -> None:
    done = run("schedule", "preview", "open-30m")
    assert done.output.startswith("open-30m: 30 min before the open of each session\n")
    assert done.output.count("08:30:00") == 5
    assert len(json.loads(run("schedule", "preview", "0 21 * * *", "--json").output)["next_fires"]) == 5


@pytest.mark.parametrize(
    ("words", "error", "sentence"),
    [
        (["set", "sync-qlip", "--misfire", "all"], UnknownSchedule, "did you mean sync-qlib?"),
        (["set", "sync-qlib"], InvalidParameter, "Say what to change"),
        (["set", "sync-qlib", "--parameters", "days=3"], InvalidParameter, "write a JSON object"),
        (["set", "sync-qlib", "--parameters", '{"days": 3}'], InvalidParameter, "no parameter 'days'"),
        (["set", "sync-qlib", "--late-limit", "3"], InvalidParameter, "The late limit is 3 s"),
        (["preview", "close+30h"], InvalidParameter, "offsets go to 24 hours"),
        (["preview", "every 1s"], InvalidParameter, "intervals last from 10 seconds"),
    ],
)
def test_what_is_refused(run: Callable[..., Result], words: list[str], error: type[Exception], sentence: str) -> None:
    done = run("schedule", *words)
    assert isinstance(done.exception, error)
    assert sentence in str(done.exception)
