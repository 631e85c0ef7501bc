"""The health check of the containers."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from app.cli import alive


@pytest.mark.parametrize(("age", "code"), [(0, 0), (50, 0), (70, 1)])
def test_by_age(tmp_path: Path, age: float, code: int) -> None:
    file = tmp_path / "alive"
    file.touch()
    os.utime(file, (time.time() - age,) * 2)
    assert alive.main([str(file)]) == code


def test_no_file_and_no_argument(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert alive.main([str(tmp_path / "none")]) == 1
    assert "has not begun to serve" in capsys.readouterr().err
    assert alive.main([]) == 2


def test_it_imports_nothing_heavy() -> None:
    """It is started four times a minute beside a program that has one core."""
    heavy = ("typer", "celery", "pydantic", "sqlalchemy")
    script = f"import sys, app.cli.alive; print(*(name for name in sys.modules if name.split('.')[0] in {heavy}))"
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert said.strip() == ""
