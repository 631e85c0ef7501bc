"""Every command of the guide, in both languages, as it stands there."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.acceptance.conftest import Platform
from tests.conftest import PROJECT

pytestmark = pytest.mark.timeout(300)

GUIDE = PROJECT / "docs/CELERY_TASKS_GUIDE.md"
ENGLISH = PROJECT / "docs/CELERY_TASKS_GUIDE.en.md"


def blocks(guide: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", guide.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


BASH = blocks(GUIDE, "bash")


@pytest.mark.parametrize("number", range(len(BASH)), ids=lambda n: BASH[n].split("\n", 1)[0][:50])
def test_a_block_of_commands_runs(platform: Platform, number: int) -> None:
    script = BASH[number].replace("localhost:3000", f"localhost:{platform.up.port}")
    done = platform.run(shutil.which("bash") or "bash", "-eu", "-c", script, within=120)
    assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"


def test_both_languages_show_the_same_commands() -> None:
    for language in ("bash", "console"):
        assert blocks(GUIDE, language) == blocks(ENGLISH, language)
    headings = [re.findall(r"^#+", guide.read_text(encoding="utf-8"), re.MULTILINE) for guide in (GUIDE, ENGLISH)]
    assert headings[0] == headings[1]


def test_commands_under_docker_are_the_ones_that_were_run() -> None:
    commands = {line for block in BASH for line in block.splitlines()}
    inside = [
        line.removeprefix("docker compose exec backend ")
        for block in blocks(GUIDE, "console")
        for line in block.splitlines()
        if line.startswith("docker compose exec backend ")
    ]
    assert inside
    assert set(inside) <= commands


def test_the_schedule_in_the_guide_is_the_one_that_beat_has() -> None:
    from app.core.celery_app import app
    from app.ops.timings import in_words

    text = GUIDE.read_text(encoding="utf-8")
    for entry in app.conf.beat_schedule.values():
        row = next(line for line in text.splitlines() if line.startswith(f"| `{entry['task']}`"))
        words = in_words(entry["schedule"])
        time = re.search(r"(\d\d)?:\d\d", words)
        assert time
        assert time.group() in row, (row, words)


@pytest.mark.parametrize("guide", [GUIDE, ENGLISH])
def test_every_setting_in_the_guide_exists_with_that_default(guide: Path) -> None:
    from app.core.config import Settings

    performance = guide.read_text(encoding="utf-8").split("\n## ")[9]
    rows = re.findall(r"^\| `([A-Z_]+)` \| ([^|]+) \|", performance, re.MULTILINE)
    assert len(rows) >= 8
    for name, default in rows:
        field = Settings.model_fields[name.lower()]
        assert str(field.default) == ("None" if default == "–" else default), name
