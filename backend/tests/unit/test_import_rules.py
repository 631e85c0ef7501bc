"""The import contracts hold on this tree, and each of them catches a deliberate violation."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

BACKEND = Path(__file__).resolve().parents[2]
CONTRACTS = re.findall(r"^name = (.+)$", (BACKEND / ".importlinter").read_text(), re.MULTILINE)

VIOLATIONS = {
    "High may import low": ("market/quote.py", "from app.store import engine"),
    "Sites of the exchanges": ("sources/twse/holidays.py", "import app.sources.tpex.daily_bars"),
    "Settings are read": ("services/report.py", "import pydantic_settings"),
    "The tables are private": ("services/report.py", "from app.store import tables"),
    "SQL has one home": ("services/report.py", "import sqlalchemy"),
    "Only sources ask": ("services/report.py", "import httpx"),
    "Only channels know": ("services/report.py", "import apprise"),
    "OpenTelemetry is": ("services/report.py", "import opentelemetry.trace"),
    "Passwords are hashed": ("services/report.py", "import argon2"),
    "Celery is known": ("services/report.py", "from celery import Celery"),
    "The web framework": ("services/report.py", "import fastapi"),
    "Values and errors": ("errors.py", "import pydantic"),
}


def lint(folder: Path) -> tuple[int, str]:
    program = Path(sys.executable).parent / "lint-imports"
    result = subprocess.run(
        [program, "--no-cache"], cwd=folder, capture_output=True, text=True, check=False, timeout=100
    )
    return result.returncode, re.sub(r"\s+", " ", result.stdout + result.stderr)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The application without anything that is not source, and its contracts."""
    shutil.copytree(BACKEND / "app", tmp_path / "app", ignore=shutil.ignore_patterns("__pycache__", "*.gz"))
    shutil.copy(BACKEND / ".importlinter", tmp_path)
    return tmp_path


def test_the_tree_keeps_every_contract() -> None:
    code, said = lint(BACKEND)
    assert code == 0, said
    assert f"{len(CONTRACTS)} kept, 0 broken" in said


def test_every_contract_catches_a_violation(copy: Path) -> None:
    assert len(VIOLATIONS) == len(CONTRACTS)
    for place, statement in VIOLATIONS.values():
        with (copy / "app" / place).open("a") as file:
            file.write(f"\n{statement}\n")
    code, said = lint(copy)
    assert code == 1
    for contract in CONTRACTS:
        assert any(contract.startswith(begin) for begin in VIOLATIONS)
        assert f"{contract} BROKEN" in said, said


def test_a_package_without_a_place_is_refused(copy: Path) -> None:
    (copy / "app/utils").mkdir()
    (copy / "app/utils/__init__.py").touch()
    code, said = lint(copy)
    assert code == 1
    assert "utils" in said
