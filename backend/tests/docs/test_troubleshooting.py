"""The guide's chapter on troubleshooting and the doctor know the same causes, in both languages; each is broken."""

from __future__ import annotations

import re
from types import ModuleType

import pytest

from app.cli.checklist import CHECKS
from tests.conftest import PROJECT
from tests.integration.cli import test_doctor, test_doctor_at_work

GUIDES = {
    "CELERY_TASKS_GUIDE.md": "| 症狀 | 檢查 | 原因 | 作法 |",
    "CELERY_TASKS_GUIDE.en.md": "| Symptom | Check | Cause | Do |",
}

BROKEN_BY = {
    "worker cannot reach Redis": ["redis_that_does_not_answer", "a_wrong_password_of_redis"],
    "Redis takes nothing more": [
        "redis_that_takes_no_more_or_evicts",
        "redis_that_cannot_save",
        "a_redis_without_a_password_that_others_reach",
    ],
    "a command finds no platform": [
        "a_platform_that_is_looked_for_in_the_wrong_place",
        "postgresql_away_or_of_another_source",
        "a_database_of_older_tables",
    ],
    "a scheduled task did not run": [
        "programs_that_are_absent_dead_and_more_than_one",
        "canaries_that_nobody_answers",
        "a_paused_schedule",
    ],
    "a new task is not loaded": ["a_real_worker_and_the_code_that_changes_under_it"],
    "a task timed out": ["a_real_worker_and_the_code_that_changes_under_it"],
    "a task failed": ["a_site_that_bans_us"],
    "a task ran twice": ["programs_that_are_absent_dead_and_more_than_one"],
    "a run stays `STARTED`": ["a_run_whose_worker_was_killed"],
    "a run stays `QUEUED`": [
        "queues_that_grow",
        "messages_that_nobody_sends",
        "a_real_worker_and_the_code_that_changes_under_it",
    ],
    "memory grows": ["memory_that_has_grown"],
    "times are wrong": ["a_clock_that_is_off", "zones_that_are_off"],
    "the disk is full": ["a_full_disk_and_an_archive_that_cannot_be_written"],
    "the page does not open": [
        "programs_that_are_absent_dead_and_more_than_one",
        "a_real_worker_and_the_code_that_changes_under_it",
    ],
    "nobody is told": ["nobody_is_told_or_may_change_things", "a_site_that_bans_us"],
    "nobody gets in, or others might": [
        "nobody_is_told_or_may_change_things",
        "files_with_secrets_that_others_read",
    ],
    "rows wait in quarantine": ["rows_that_cannot_be_true"],
    "a source blocks us": ["a_site_that_bans_us", "a_site_whose_quota_is_used_up"],
}
"""Row of the English guide → the tests that break it, have the doctor find it, mend it, and have it find nothing.

That a test does so is checked as it runs: see the mark ``breaks`` and the fixture ``levels``.
"""


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


def symptoms(guide: str) -> list[str]:
    return re.findall(r"^\| \*\*(.+?)\*\* \|", (PROJECT / "docs" / guide).read_text(encoding="utf-8"), re.MULTILINE)


def breaks(modules: list[ModuleType]) -> dict[str, set[str]]:
    """Test → the checks that it breaks, by its marks."""
    return {
        name.removeprefix("test_"): {check for mark in marks if mark.name == "breaks" for check in mark.args}
        for module in modules
        for name, test in vars(module).items()
        if (marks := getattr(test, "pytestmark", None)) and name.startswith("test_")
    }


def test_each_row_is_broken_by_a_test() -> None:
    guide = "CELERY_TASKS_GUIDE.en.md"
    by_test = breaks([test_doctor, test_doctor_at_work])
    assert symptoms(guide) == list(BROKEN_BY)
    for (symptom, tests), checks in zip(BROKEN_BY.items(), rows(guide), strict=True):
        broken = set().union(*(by_test[test] for test in tests))
        assert not set(checks) - broken, f"{symptom}: no test breaks what these checks find"
