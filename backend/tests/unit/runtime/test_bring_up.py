"""From nothing to ready and back, with real servers and small programs in the platform's place."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from app.errors import ConfigurationError
from app.runtime import bring_up, machine
from app.runtime.bring_up import run_platform
from app.runtime.layout import Layout
from app.runtime.merged_log import MergedLog
from app.runtime.ports import free_port
from app.runtime.program import Program
from app.runtime.ready_text import ready_text

WAIT = "import time\nwhile True: time.sleep(0.05)"


class Seen(io.StringIO):
    """A terminal at which somebody reacts to what it shows."""

    def __init__(self) -> None:
        super().__init__()
        self.reactions: list[tuple[str, Callable[[], object]]] = []

    def write(self, text: str) -> int:
        for waited_for, react in list(self.reactions):
            if waited_for in text:
                self.reactions.remove((waited_for, react))
                react()
        return super().write(text)


def press_ctrl_c() -> None:
    os.kill(os.getpid(), signal.SIGINT)


@pytest.fixture
def terminal() -> Iterator[Seen]:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    yield Seen()
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def log(terminal: Seen) -> Iterator[MergedLog]:
    log = MergedLog(terminal)
    yield log
    log.close()


@pytest.fixture
def given(database_url: str, redis_url: str) -> dict[str, object]:
    """Servers that run already."""
    return {"database_url": database_url, "redis_url": redis_url}


@pytest.fixture
def home(server_folder: Path, tmp_path: Path) -> Path:
    return server_folder / tmp_path.name / "home"


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Any]:
    """The small program in the platform's place: its ``text`` and what tells that it is ``ready``."""
    facts: dict[str, Any] = {"text": WAIT, "ready": None}

    def programs(layout: Layout, servers: dict[str, str]) -> list[Program]:
        return [_small("worker", facts["text"], {**layout.environment, **servers}, tmp_path, facts["ready"])]

    monkeypatch.setattr(bring_up, "SAME_KEYSTROKE", 0.3)
    monkeypatch.setattr(bring_up.programs, "platform", programs)
    monkeypatch.setattr(bring_up.programs, "flower", lambda layout, _: _small("flower", WAIT, {}, tmp_path))
    monkeypatch.setattr(bring_up.programs, "sandbox", lambda layout, _: _small("sandbox", WAIT, {}, tmp_path))
    return facts


def _small(name: str, text: str, environment: dict[str, str], folder: Path, ready: Any = None) -> Program:
    argv = [sys.executable, "-I", "-S", "-c", text]
    return Program(name=name, argv=argv, environment=environment, folder=folder, ready=ready, grace=5.0)


def layout(home: Path, **facts: object) -> Layout:
    given = {
        "source": "sandbox",
        "host": "127.0.0.1",
        "port": free_port(),
        "flower_port": free_port(),
        "environment": {"PATH": os.environ["PATH"]},
    } | facts
    return Layout(home=home, backend=home, **given)  # type: ignore[arg-type]


def test_everything_embedded_comes_up_and_goes_down(home: Path, terminal: Seen, log: MergedLog) -> None:
    seen: dict[str, object] = {}

    def look_and_leave() -> None:
        seen.update(json.loads((home / "running.json").read_text()))
        environment = json.loads((home / "running.json").read_text())["environment"]
        with psycopg.connect(environment["DATABASE_URL"]) as connection:
            seen["runs"] = connection.execute("SELECT count(*) FROM runs").fetchone()
        press_ctrl_c()

    terminal.reactions.append(("QuantLab is ready", lambda: threading.Thread(target=look_and_leave).start()))
    here = layout(home, sandbox_port=free_port(), site_urls={"TWSE_URL": "http://127.0.0.1:1/twse"})
    run_platform(here, log)
    said = terminal.getvalue()
    assert seen["source"] == "sandbox"
    assert seen["pid"] == os.getpid()
    assert seen["runs"] == (0,)
    environment = seen["environment"]
    assert isinstance(environment, dict)
    assert environment["TWSE_URL"].endswith("/twse")
    assert environment["QUANTLAB_HOME"] == str(home)
    assert "SYNTHETIC" in said
    assert said.index("stopping worker, flower") < said.index("stopping postgres, valkey, sandbox")
    assert said.rstrip().endswith("stopped")
    assert not (home / "running.json").exists()
    assert not (home / "programs.json").exists()
    assert here.admin_token_file.stat().st_mode & 0o777 == 0o600
    assert (here.logs / "postgres.log").exists()


def test_servers_that_are_given_are_used_and_none_started(
    home: Path, terminal: Seen, log: MergedLog, given: dict[str, object]
) -> None:
    terminal.reactions.append(("QuantLab is ready", press_ctrl_c))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        flower_port = taken.getsockname()[1]
        here = layout(home, **given, flower_port=flower_port)
        run_platform(here, log)
    said = terminal.getvalue()
    assert "starting worker\n" in said
    assert f"port {flower_port} is taken, so Flower is not started" in said
    assert int(re.findall(r"FLOWER_PORT=(\d+)", said)[0]) > flower_port
    assert not (here.folder / "postgres").exists()


def test_a_database_of_the_other_source_stops_the_start(
    home: Path, terminal: Seen, log: MergedLog, given: dict[str, object]
) -> None:
    with pytest.raises(ConfigurationError):
        run_platform(layout(home, source="exchange", **given), log)
    assert terminal.getvalue().rstrip().endswith("stopped")


def test_a_required_program_that_fails_stops_all(
    home: Path, small: dict[str, Any], log: MergedLog, given: dict[str, object]
) -> None:
    small |= {"text": "import sys; sys.exit('no such module')", "ready": lambda: False}
    with pytest.raises(ConfigurationError, match=r"(?s)worker does not get ready.*no such module"):
        run_platform(layout(home, **given), log)
    assert not (home / "running.json").exists()


def test_ctrl_c_while_it_starts_ends_the_start(
    home: Path, terminal: Seen, log: MergedLog, given: dict[str, object]
) -> None:
    terminal.reactions.append(("migrating the database", press_ctrl_c))
    run_platform(layout(home, **given), log)
    assert "QuantLab is ready" not in terminal.getvalue()


def test_a_second_ctrl_c_hastens_and_an_echo_does_not(
    home: Path, small: dict[str, Any], terminal: Seen, log: MergedLog, given: dict[str, object]
) -> None:
    small["text"] = (
        "import os, signal, time\nsignal.signal(signal.SIGTERM, lambda *_: os.write(1, b'busy\\n'))\n"
        "os.write(1, b'at work\\n')\nwhile True: time.sleep(0.05)"
    )

    def press_twice() -> None:
        press_ctrl_c()
        press_ctrl_c()  # the echo

    def press_later() -> None:
        time.sleep(2 * bring_up.SAME_KEYSTROKE)
        press_ctrl_c()

    terminal.reactions += [
        ("at work", press_twice),
        ("busy", lambda: threading.Thread(target=press_later).start()),
    ]
    started = time.monotonic()
    run_platform(layout(home, **given), log)
    said = terminal.getvalue()
    assert said.count("hastening") == 1
    assert "worker does not end: it is killed now" in said
    assert time.monotonic() - started < 30


def test_what_the_machine_lacks_is_said_before_anything_starts(
    home: Path, terminal: Seen, log: MergedLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "NEEDED_MB", 1)
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(ConfigurationError, match="is taken"):
        run_platform(layout(home, port=taken.getsockname()[1]), log)
    assert terminal.getvalue() == ""
    assert not (home / "sandbox").exists()


def test_a_home_of_its_own_is_told_to_other_terminals(tmp_path: Path) -> None:
    usual, own = tmp_path / "project" / ".quantlab", tmp_path / "my data"
    assert "QUANTLAB_HOME" not in ready_text(layout(usual, usual_home=usual), with_flower=True)
    told = ready_text(layout(own, usual_home=usual), with_flower=True)
    (command,) = re.findall(r"export QUANTLAB_HOME=.*?(?=  \()", told)
    seen = subprocess.run(
        ["sh", "-c", f"{command}; printenv QUANTLAB_HOME"], capture_output=True, text=True, check=True
    )
    assert seen.stdout == f"{own}\n"
