"""``quantlab logs``: lines from PostgreSQL, from the files without it, and what comes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import Result

from app.core.wiring import Platform
from app.errors import InvalidParameter
from app.services.keep_logs import LogKeeper
from app.store import runs
from app.store.engine import transaction

Run = Callable[..., Result]
Quantlab = Callable[..., subprocess.CompletedProcess[str]]


def write(platform: Platform, *messages: str, level: int = 20, age: timedelta = timedelta(0)) -> None:
    folder = platform.settings.log_folder
    folder.mkdir(parents=True, exist_ok=True)
    said = {"level": level, "host": "h", "program": "worker", "pid": 7, "module": "m", "run_id": "run-1"}
    said |= {"at": (datetime.now(UTC) - age).isoformat(), "task": "app.tasks.sync_daily_prices"}
    with (folder / "quantlab-2026-11-20.jsonl").open("a") as file:
        file.writelines(json.dumps({**said, "message": one}) + "\n" for one in messages)


def keep(platform: Platform) -> None:
    LogKeeper(lambda: platform.engine, platform.settings.log_folder).keep()


def test_the_newest_lines_oldest_first(run: Run, platform: Platform) -> None:
    write(platform, "long ago", age=timedelta(hours=5))
    write(platform, "first", "second", "third")
    write(platform, "2330 is late", level=30)
    keep(platform)
    output = run("logs", "-n", "3").output.splitlines()
    assert [one.rpartition("run-1 ")[2] for one in output] == ["second", "third", "2330 is late"]
    assert "sync_daily_prices" in output[0]
    assert run("logs", "--level", "warning").output.count("\n") == 1
    assert run("logs", "--symbol", "2330").output.count("\n") == 1
    assert "long ago" not in run("logs", "--since", "1h").output
    assert "long ago" in run("logs", "--until", "1h", "--task", "sync_daily_prices").output
    whole = run("logs", "--run", "run-1").output
    assert whole.count("\n") == 5
    with transaction(platform.engine) as connection:
        runs.queue(connection, "run-1", task="app.tasks.sync_qlib", parameters={}, trigger="api", at=datetime.now(UTC))
    assert run("logs", "--run", "run-").output == whole
    none = run("logs", "--host", "elsewhere")
    assert (none.exit_code, none.stdout) == (0, "")
    assert "No line is kept that fits." in none.stderr
    told = [json.loads(one) for one in run("logs", "--json", "--text", "FIRST").output.splitlines()]
    assert [(one["message"], one["level"], one["program"]) for one in told] == [("first", "INFO", "worker")]


@pytest.mark.parametrize("words", [("--symbol", "it's"), ("--since", "yesterday"), ("--task", "sync_daily_price")])
def test_wrong_words_get_a_sentence(run: Run, words: tuple[str, ...]) -> None:
    result = run("logs", *words)
    assert isinstance(result.exception, InvalidParameter)


def test_without_postgresql_the_files_speak(
    quantlab: Quantlab, platform: Platform, monkeypatch: pytest.MonkeyPatch, free_port: Callable[[], int]
) -> None:
    write(platform, "from the file", "something else")
    monkeypatch.setenv("DATABASE_URL", f"postgresql://127.0.0.1:{free_port()}/quantlab")
    done = quantlab("logs", "--text", "file")
    assert done.returncode == 0, done.stderr
    assert done.stdout.rstrip().endswith("from the file")
    assert "this host's files" in done.stderr


def test_following_shows_what_comes_and_ends_at_ctrl_c(platform: Platform) -> None:
    write(platform, "before")
    keep(platform)
    program = Path(sys.executable).with_name("quantlab")
    process = subprocess.Popen([program, "logs", "-f"], env=dict(os.environ), stdout=subprocess.PIPE, text=True)
    assert process.stdout
    try:
        assert process.stdout.readline().rstrip().endswith("before")
        write(platform, "while it follows")
        keep(platform)
        assert process.stdout.readline().rstrip().endswith("while it follows")
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 0
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
