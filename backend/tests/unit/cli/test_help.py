"""What every command says of itself, and how fast."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from typer.core import TyperGroup
from typer.testing import CliRunner

from app.cli.lazily import COMMANDS, load
from app.cli.main import app
from app.core.version import VERSION

HEAVY = ("celery", "exchange_calendars", "pandas", "polars", "pydantic_settings", "sqlalchemy")


def leaves(command: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command that can be run, with its words; a group that can be run itself is one, too."""
    if not isinstance(command, TyperGroup) or command.invoke_without_command:
        yield path, command
    if isinstance(command, TyperGroup):
        for name, one in command.commands.items():
            yield from leaves(one, (*path, name))


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_an_example_that_names_it(name: str) -> None:
    found = dict(leaves(load(name), (name,)))
    assert found
    for path, command in found.items():
        _, _, examples = f"{command.help} {command.epilog}".partition("Example")
        if path == ("token",):  # what it prints is for another program
            assert "$(quantlab token)" in examples
        else:
            assert f"quantlab {' '.join(path)}" in " ".join(examples.split()), path


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_of_commands_says_what_their_own_help_does(name: str) -> None:
    first, *_ = (load(name).help or "").split("\n\n")
    assert " ".join(first.split()).startswith(COMMANDS[name].sentence)


@pytest.mark.parametrize("name", ["", *COMMANDS])
def test_help_is_broken_where_the_terminal_ends(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each line is as full as the next word lets it be; the code's own lines are longer than many terminals."""
    monkeypatch.setenv("COLUMNS", "72")
    words = [path for path, _ in leaves(load(name), (name,))] if name else [()]
    for path in words:
        said = CliRunner().invoke(app, [*path, "--help"]).output
        prose, _, _ = said.partition("╭")
        lines = [line.strip() for line in prose.splitlines() if "Usage:" not in line]
        for line, below in pairwise(lines):
            if line and below:
                assert len(f"{line} {below.split()[0]}") > 70, f"{' '.join(path)}: {line!r} breaks before {below!r}"


@pytest.mark.parametrize("words", [["version"], ["--version"], ["--help"], []])
def test_small_answers_load_nothing_heavy(words: list[str]) -> None:
    program = (
        "import sys, resource\n"
        f"sys.argv = ['quantlab', *{words}]\n"
        "from app.cli.main import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        f"print('LOADED', [name for name in {HEAVY} if name in sys.modules])\n"
        "used = resource.getrusage(resource.RUSAGE_SELF)\n"
        "print('CPU', used.ru_utime + used.ru_stime)\n"
    )
    # Without what pytest-cov puts into every child, whose start is not ours.
    environment = {key: value for key, value in os.environ.items() if not key.startswith("COV")}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment)
    assert "LOADED []" in done.stdout, done.stdout + done.stderr
    assert float(done.stdout.split("CPU ")[1]) < 1.0  # 0.25 s on a quiet machine


def test_who_only_reads_the_ledger_does_not_wait_for_celery_or_the_sites() -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys, app.cli.runs; print(*sorted({name.split('.')[0] for name in sys.modules}))",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = set(done.stdout.split())
    assert "sqlalchemy" in loaded
    assert not loaded & {"celery", "kombu", "redis", "httpx", "throttled", "fsspec"}


def test_the_version_as_a_command_and_as_the_flag_that_people_expect() -> None:
    said = [CliRunner().invoke(app, [word]) for word in ("version", "--version")]
    assert [(one.exit_code, one.output) for one in said] == [(0, f"{VERSION}\n")] * 2


def test_a_mistyped_command_is_refused_with_the_likely_one() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import sys; sys.argv = ['quantlab', 'verison']; from app.cli.main import main; main()"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "version" in done.stderr
