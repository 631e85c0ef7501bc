"""``quantlab up`` as a person runs it: real processes, real servers, free ports, a home of its own."""

from __future__ import annotations

import http.client
import json
import re
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from app.runtime.own_postgres import own_postgres
from tests.acceptance.up import QUANTLAB, Up
from tests.conftest import PROJECT, wait_until

pytestmark = pytest.mark.timeout(300)

FIRST_RELEASE = PROJECT / "backend/tests/integration/store/first_release.sql"


def nothing_left(processes: list[psutil.Process]) -> None:
    _, alive = psutil.wait_procs(processes, timeout=20)
    living = [process for process in alive if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]
    assert [" ".join(process.cmdline()) for process in living] == []


@pytest.fixture
def home(server_folder: Path) -> Path:
    """With the data of the first release: newer code takes over what older code left."""
    folder = server_folder / "up"
    with own_postgres(folder, "sandbox") as url, psycopg.connect(url) as connection:
        connection.execute(FIRST_RELEASE.read_bytes())
    return folder


@pytest.fixture
def up(home: Path, tmp_path: Path) -> Iterator[Up]:
    first = Up(home, tmp_path / "first.log")
    try:
        first.wait_until_ready()
        yield first
    finally:
        first.stop()


def answer(port: int, path: str) -> int:
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        link.request("GET", path)
        return link.getresponse().status
    finally:
        link.close()


def log_in(port: int, name: str, password: str) -> int:
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        body = json.dumps({"name": name, "password": password})
        link.request("POST", "/api/v1/login", body, {"Content-Type": "application/json"})
        return link.getresponse().status
    finally:
        link.close()


def the_first_admin_comes_in(up: Up, logs: Path) -> None:
    """By the password that is told this once, and that stands in no file."""
    told = re.search(r"Login +admin / (\S+)  \(shown this once", up.said())
    assert told
    assert log_in(up.port, "admin", told[1]) == 200
    assert log_in(up.port, "admin", "wrong") == 401
    files = [path for path in logs.rglob("*") if path.is_file()]
    assert files
    assert [path for path in files if told[1] in path.read_text(errors="replace")] == []


def what_the_first_release_held_is_held(up: Up) -> None:
    with psycopg.connect(up.environment()["DATABASE_URL"]) as connection:
        # Of a security that the sandbox has not: nothing syncs it.
        query = "SELECT sum(close) FROM bars JOIN securities s ON s.id = security_id WHERE symbol = '9188'"
        assert connection.execute(query).fetchone() == (2_010_300,)
        assert connection.execute("SELECT stored FROM runs WHERE id = 'success'").fetchone() == (20,)
        expected = "SELECT expected FROM coverage WHERE venue = 'TWSE' AND session = '2026-11-16'"
        assert (connection.execute(expected).fetchone() or (0,))[0] >= 4


def test_a_platform_from_its_first_start_to_its_last(up: Up, home: Path, tmp_path: Path) -> None:
    said = up.said()
    assert f"QuantLab is ready: http://localhost:{up.port}" in said
    assert "SYNTHETIC" in said
    assert up.environment()["DATABASE_URL"] not in said
    assert stat.S_IMODE((home / "running.json").stat().st_mode) == 0o600
    assert answer(up.port, "/health") == 200
    assert answer(up.port, "/admin") == 200
    assert set(up.programs()) == {"postgres", "valkey", "sandbox", "worker", "beat", "web", "flower"}

    what_the_first_release_held_is_held(up)
    the_first_admin_comes_in(up, home / "sandbox" / "logs")

    # What ps shows to everyone holds no secret.
    secrets = [(home / "sandbox" / name / "password").read_text().strip() for name in ("postgres", "valkey")]
    shown = " ".join(part for process in up.everything() for part in process.cmdline())
    assert not any(secret in shown for secret in secrets)

    # A second one, with the same home or on the same port, is refused and leaves nothing.
    second = Up(home, tmp_path / "second.log")
    assert second.process.wait(60) == 1
    assert f"already running at http://localhost:{up.port} (pid {up.process.pid})" in second.said()
    third = Up(home.with_name("other"), tmp_path / "third.log", port=up.port)
    assert third.process.wait(60) == 1
    assert f"Port {up.port} is taken" in third.said()
    assert not (home.with_name("other") / "running.json").exists()

    # What dies comes back: the worker's whole group, then PostgreSQL itself.
    for name in ("worker", "postgres"):
        before = up.programs()[name]
        before.kill()
        wait_until(
            lambda name=name, before=before: up.programs().get(name, before).pid != before.pid,
            what=f"the restart of {name}",
        )
    url = up.environment()["DATABASE_URL"]
    wait_until(lambda: _answers(url), what="PostgreSQL's recovery")
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE left_by_the_first_start (n int)")

    # Ctrl-C ends all of it.
    processes = up.everything()
    assert len(processes) > 7
    up.process.send_signal(signal.SIGINT)
    assert up.process.wait(60) == 0, up.said()
    nothing_left(processes)
    assert up.said().rstrip().endswith("stopped")
    assert not (home / "running.json").exists()

    # The next start goes on with the same data, and nothing outlives its kill -9 for long.
    again = Up(home, tmp_path / "again.log")
    try:
        again.wait_until_ready()
        assert "admin /" not in again.said()
        with psycopg.connect(again.environment()["DATABASE_URL"]) as connection:
            assert connection.execute("SELECT count(*) FROM left_by_the_first_start").fetchone() == (0,)
        processes = again.everything()
        again.process.kill()
        again.process.wait(20)
        if sys.platform == "linux":
            nothing_left(processes)
    finally:
        again.stop()


def _answers(url: str) -> bool:
    try:
        with psycopg.connect(url, connect_timeout=2):
            return True
    except psycopg.OperationalError:
        return False


def test_an_unknown_source_is_a_sentence() -> None:
    result = subprocess.run([QUANTLAB, "up", "--source", "moon"], capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "there is no source named moon" in result.stdout
    assert "Traceback" not in result.stdout + result.stderr
