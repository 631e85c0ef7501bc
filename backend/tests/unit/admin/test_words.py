from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest

from app.admin.view import ago, duration
from app.admin.words import WORDS, schedule_in
from app.core import queue

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def test_both_languages_have_the_same_words() -> None:
    chinese, english = WORDS["zh"], WORDS["en"]
    assert list(chinese) == list(english)
    for name in chinese:
        assert re.findall(r"{\w+}", chinese[name]) == re.findall(r"{\w+}", english[name]), name


def test_every_task_and_its_parameters_have_words() -> None:
    for task in queue.list_tasks():
        wanted = [f"n_{task.name.removeprefix('app.tasks.')}"]
        wanted += [f"{letter}_{name}" for name in task.parameters["properties"] for letter in "ph"]
        for words in WORDS.values():
            assert set(wanted) <= set(words)


def test_every_schedule_is_said_in_chinese() -> None:
    for task in queue.list_tasks():
        for schedule in task.schedules:
            assert re.search(r"每日|每小時|交易日", schedule_in("zh", schedule)), schedule
    assert schedule_in("zh", "0 8 * * 1-5") == "0 8 * * 1-5"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-1, "0.0 s"), (0.44, "0.4 s"), (12.4, "12 s"), (59.6, "1m 00s"), (185, "3m 05s"), (3725, "1h 02m")],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "just now"), (30, "30 s ago"), (90, "1 min ago"), (7300, "2 h ago"), (200_000, "2 d ago"), (-3, "just now")],
)
def test_how_long_ago(seconds: float, text: str) -> None:
    assert ago(NOW - timedelta(seconds=seconds), WORDS["en"], NOW) == text
