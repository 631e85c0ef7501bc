"""One running platform for all acceptance tests of a test process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.acceptance.up import SERVERS, Up
from tests.conftest import PROJECT

BIN = Path(sys.executable).parent
BACKEND = PROJECT / "backend"


@dataclass
class Platform:
    """A running ``quantlab up``, and a second terminal beside it: no setting but where its home is."""

    up: Up

    @property
    def environment(self) -> dict[str, str]:
        plain = {name: value for name, value in os.environ.items() if name not in SERVERS}
        return plain | {"QUANTLAB_HOME": str(self.up.home), "PATH": f"{BIN}:{os.environ['PATH']}"}

    def run(self, *argv: str, within: float = 60) -> subprocess.CompletedProcess[str]:
        """A command in ``backend/``, to its end."""
        return subprocess.run(
            argv, cwd=BACKEND, env=self.environment, capture_output=True, text=True, timeout=within, check=False
        )

    def celery(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self.run(str(BIN / "celery"), "-A", "app.core.celery_app", *words)

    def call(self, task: str, **kwargs: Any) -> str:
        """``celery call``; returns the id that it prints."""
        done = self.celery("call", task, "--kwargs", json.dumps(kwargs))
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def rows(self, query: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.up.environment()["DATABASE_URL"]) as connection:
            return connection.execute(query, parameters).fetchall()  # type: ignore[call-overload]

    def run_of(self, run_id: str, *, within: float = 60) -> dict[str, Any]:
        """The run's row in the ledger, once it has ended."""
        deadline = time.monotonic() + within
        while True:
            found = self.rows("SELECT row_to_json(r) FROM runs r WHERE id = %s AND finished_at IS NOT NULL", [run_id])
            if found:
                run: dict[str, Any] = found[0][0]
                return run
            if time.monotonic() > deadline:
                pytest.fail(f"run {run_id} did not end within {within:.0f} s:\n{self.up.said()[-3000:]}")
            time.sleep(0.05)


@pytest.fixture(scope="session")
def platform(server_folder: Path) -> Iterator[Platform]:
    up = Up(server_folder / "acceptance", server_folder / "acceptance.log")
    try:
        up.wait_until_ready()
        yield Platform(up)
    finally:
        up.stop()
