"""``python -m app.sandbox`` as people start it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from app.sandbox.__main__ import main
from app.sandbox.server import site_urls

BACKEND = Path(__file__).resolve().parents[3]


def test_it_serves_until_it_is_told_to_stop(free_port: Callable[[], int]) -> None:
    port = free_port()
    command = [sys.executable, "-m", "app.sandbox", "--port", str(port), "--now", "2024-07-01T18:00"]
    child = subprocess.Popen([*command, "--fault", "mis:5xx"], cwd=BACKEND, stderr=subprocess.PIPE, env={**os.environ})
    try:
        deadline = time.monotonic() + 30
        while True:
            try:
                health = httpx.get(f"http://127.0.0.1:{port}/_health").json()
                break
            except httpx.TransportError:
                assert time.monotonic() < deadline
                assert child.poll() is None
                time.sleep(0.05)
        assert health["latest_session"] == "2024-07-01"
        assert httpx.get(site_urls(port)["MIS_URL"] + "/stock/index.jsp").status_code == 503
    finally:
        child.terminate()
        _, errors = child.communicate(timeout=20)
    assert b"not real prices" in errors


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--replay", "nowhere.parquet"], "There is no file nowhere.parquet"),
        (["--fault", "twse:fire"], "'fire' is no fault"),
    ],
)
def test_bad_arguments_are_one_sentence(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    said = capsys.readouterr().err
    assert sentence in said
    assert len(said.splitlines()) == 1


def test_a_taken_port_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert main(["--port", str(taken.getsockname()[1])]) == 2
    assert "is taken" in capsys.readouterr().err


def test_help_has_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "--replay panel.parquet --now 2024-07-01T18:00" in capsys.readouterr().out
