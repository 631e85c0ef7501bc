"""The guide's chapter on troubleshooting and the doctor know the same causes, in both languages."""

from __future__ import annotations

import re

import pytest

from app.cli.checklist import CHECKS
from tests.conftest import PROJECT

GUIDES = {
    "CELERY_TASKS_GUIDE.md": "| 症狀 | 檢查 | 原因 | 作法 |",
    "CELERY_TASKS_GUIDE.en.md": "| Symptom | Check | Cause | Do |",
}


def rows(guide: str) -> list[list[str]]:
    """The names of the checks of each row."""
    text = (PROJECT / "docs" / guide).read_text(encoding="utf-8")
    table = text.partition(GUIDES[guide] + "\n|---|---|---|---|\n")[2].partition("\n\n")[0]
    return [re.findall(r"`([^`]+)`", line.split(" | ")[1]) for line in table.splitlines()]


@pytest.mark.parametrize("guide", GUIDES)
def test_each_row_has_its_check_and_each_check_its_row(guide: str) -> None:
    found = rows(guide)
    assert len(found) >= 18
    assert all(found), "a row names no check"
    assert {name for names in found for name in names} == set(CHECKS)


def test_both_languages_have_the_same_rows() -> None:
    one, other = map(rows, GUIDES)
    assert one == other
