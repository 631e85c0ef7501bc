"""Small programs to supervise, and a supervisor whose log can be read."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.runtime.leftovers import ProgramRecord
from app.runtime.merged_log import MergedLog
from app.runtime.program import Program
from app.runtime.supervisor import Supervisor


@pytest.fixture
def terminal() -> io.StringIO:
    """What a person would see."""
    return io.StringIO()


@pytest.fixture
def log(terminal: io.StringIO) -> MergedLog:
    return MergedLog(terminal)


@pytest.fixture
def record(tmp_path: Path) -> ProgramRecord:
    return ProgramRecord(tmp_path / "programs.json")


@pytest.fixture
def supervisor(log: MergedLog, record: ProgramRecord) -> Supervisor:
    return Supervisor(log=log, record=record)


@pytest.fixture
def fake(tmp_path: Path) -> Callable[..., Program]:
    """Makes a program out of Python text; ``mark()`` in it appends to ``<name>.marks``, one line a start."""

    def make(name: str, text: str, **facts: Any) -> Program:
        preamble = (
            "import os, signal, sys, time, pathlib\n"
            f"marks = pathlib.Path({str(tmp_path / f'{name}.marks')!r})\n"
            "def mark(text='x'):\n"
            "    with marks.open('a') as file: file.write(f'{text} {os.getpid()}\\n')\n"
        )
        script = tmp_path / f"{name}.py"
        script.write_text(preamble + text)
        environment = {"PATH": "/usr/bin:/bin"} | facts.pop("environment", {})
        return Program(
            name=name, argv=[sys.executable, "-I", "-S", str(script)], environment=environment, folder=tmp_path, **facts
        )

    return make
