from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from loguru import logger
from typer.testing import CliRunner, Result

from app.cli.main import app
from app.core.wiring import Platform

QUANTLAB = Path(sys.executable).with_name("quantlab")


@pytest.fixture
def run(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run a command in this process, on a wide terminal."""
    logger.remove()  # what an earlier test of this process set up writes to a terminal that is gone
    monkeypatch.setenv("COLUMNS", "200")
    runner = CliRunner()
    return lambda *words: runner.invoke(app, list(words))


@pytest.fixture
def quantlab(platform: Platform) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run the installed program, as a person or a script does."""

    def program(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [QUANTLAB, *words], env=dict(os.environ), capture_output=True, text=True, timeout=60, check=False
        )

    return program
