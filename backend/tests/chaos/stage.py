"""The whole platform as separate processes on one machine, with a proxy before each server, for faults to act on."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import psycopg

from app.runtime.account import server_account
from app.runtime.ports import answers_http, free_port
from app.runtime.postgres import Postgres
from app.runtime.program import Program
from app.runtime.valkey import Valkey
from app.sandbox.server import site_urls
from tests.chaos.child import BACKEND, Child
from tests.chaos.clocks import Clock
from tests.chaos.proxy import Proxy
from tests.conftest import wait_until

BIN = Path(sys.executable).parent
PACE = 0.05
"""Seconds between two requests to a site: slow enough that a fault can be put at a chosen unit."""
OURS = ("DATABASE_URL", "REDIS_URL", "CELERY_", "CELERYD_", "QUANTLAB_", "FAKETIME", "LD_PRELOAD")


class Server:
    """PostgreSQL or Valkey as a child of ours: it can be killed and started again where it was."""

    def __init__(self, program: Program, log: Path) -> None:
        self._program = program
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it serves; again where a killed one has left its shared memory for a moment."""

        def serves() -> bool:
            if self._process is None or self._process.poll() is not None:
                with self._log.open("ab") as output:
                    self._process = self._program.start(output)
                time.sleep(0.3)
            return self._program.ready is None or self._program.ready()

        wait_until(serves, within=60, what=f"{self._program.name}'s start")

    def kill(self) -> None:
        """SIGKILL."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(30)

    def stop(self) -> None:
        """Its own way of ending."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(self._program.stop_signal)
            self._process.wait(60)


class Stage:
    """One platform in ``folder``; ``template`` is a prepared PostgreSQL home to copy, ``exchange`` the sandbox's port.

    Everything but this process goes through the proxies ``to_postgres`` and ``to_valkey``.
    """

    def __init__(self, folder: Path, *, exchange: int, template: Path | None = None) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.exchange = exchange
        self.children: dict[str, Child] = {}
        self.clock: Clock | None = None
        self.extra: dict[str, str] = {}
        self._closing = contextlib.ExitStack()
        # Beside the folder: a disk that fills up within it does not silence those who write there.
        self.logs = folder.with_name(f"{folder.name}.logs")
        for each in (folder, self.logs):
            each.mkdir(exist_ok=True)
            each.chmod(0o711)
        if template:
            (folder / "postgres").mkdir(exist_ok=True)
            subprocess.run(["cp", "-a", f"{template}/.", folder / "postgres"], check=True)
        self._postgres = Postgres(folder / "postgres", free_port(), server_account())
        self._valkey = Valkey(folder / "valkey", free_port())
        for server in (self._postgres, self._valkey):
            server.prepare()
        self.postgres = Server(self._postgres.program(), self.logs / "postgres.log")
        self.valkey = Server(self._valkey.program(), self.logs / "valkey.log")
        self.to_postgres, self.to_valkey = Proxy(self._postgres.port), Proxy(self._valkey.port)
        for end in (self.to_postgres.close, self.to_valkey.close, self.postgres.stop, self.valkey.stop):
            self._closing.callback(end)
        try:
            self.postgres.start()
            self.valkey.start()
        except BaseException:
            self.close()
            raise

    @property
    def database_url(self) -> str:
        """The way around the proxy, for the tests' own eyes."""
        return self._postgres.url()

    @property
    def redis_url(self) -> str:
        """The same for Valkey."""
        return self._valkey.url()

    @property
    def valkey_binary(self) -> Path:
        """The program that is Valkey and Sentinel."""
        return self._valkey.binary

    def environment(
        self, *, postgres: Proxy | None = None, valkey: Proxy | None = None, exchange: Proxy | None = None
    ) -> dict[str, str]:
        """What a program of the platform needs, by way of those proxies."""
        plain = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
        urls = site_urls(exchange.port, host=exchange.host) if exchange else site_urls(self.exchange)
        return {
            **plain,
            **urls,
            **(self.clock.environment if self.clock else {}),
            "DATABASE_URL": _by_way_of(postgres or self.to_postgres, self._postgres.port, self.database_url),
            "REDIS_URL": _by_way_of(valkey or self.to_valkey, self._valkey.port, self.redis_url),
            "QUANTLAB_SOURCE": "sandbox",
            "QUANTLAB_HOME": str(self.home),
            "SOURCE_SECONDS_PER_REQUEST": str(PACE),
            "SOURCE_READ_TIMEOUT": "15",
            "PYTHONUNBUFFERED": "1",
            "PYTHONWARNINGS": "ignore",
            **self.extra,
        }

    def worker(
        self,
        name: str = "w1",
        *options: str,
        concurrency: int = 2,
        prefix: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
    ) -> Child:
        """Start a worker of that name, within the command ``prefix`` if there is one; it may not be ready yet."""
        words = ["worker", "--loglevel", "INFO", "-n", f"{name}@%h", f"--concurrency={concurrency}", *options]
        return self._celery(name, words, prefix=prefix, environment=environment)

    def beat(self, name: str = "beat1", *, environment: Mapping[str, str] | None = None) -> Child:
        """Start a beat; it may not be ready yet."""
        return self._celery(name, ["beat", "--loglevel", "INFO", "--pidfile="], environment=environment)

    def web(self, name: str = "web") -> Child:
        """Start the web and wait until it serves."""
        port = free_port()
        argv = [sys.executable, "-m", "uvicorn", "app.main:app", "--port", str(port), "--no-access-log"]
        child = self._add(Child(name, argv, environment=self.environment(), folder=self.logs))
        wait_until(lambda: answers_http(port, "/health") or not child.alive(), within=60, what="the web")
        return child

    def _celery(
        self,
        name: str,
        words: Sequence[str],
        *,
        prefix: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
    ) -> Child:
        argv = [*prefix, sys.executable, "-m", "celery", "--quiet", "-A", "tests.chaos.tasks", *words]
        return self._add(Child(name, argv, environment=environment or self.environment(), folder=self.logs))

    def _add(self, child: Child) -> Child:
        self.children[child.name] = child
        return child.start()

    def run(self, *argv: str | Path) -> subprocess.CompletedProcess[str]:
        """A command of the platform, to its end."""
        return subprocess.run(
            argv, cwd=BACKEND, env=self.environment(), capture_output=True, text=True, timeout=60, check=False
        )

    def python(self, script: str, *words: str) -> str:
        """What that program says."""
        done = self.run(sys.executable, "-c", script, *words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def celery(self, *words: str) -> subprocess.CompletedProcess[str]:
        """A ``celery`` command, to its end."""
        return self.run(BIN / "celery", "-A", "tests.chaos.tasks", *words)

    def call(self, task: str, **kwargs: Any) -> str:
        """``celery call``; returns the run's id."""
        done = self.celery("call", f"app.tasks.{task}", "--kwargs", json.dumps(kwargs))
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def call_each(self, task: str, *each: Mapping[str, Any]) -> list[str]:
        """The task with each of these parameters, all within a moment: from one program. Returns the runs' ids."""
        script = (
            "import json, sys; from tests.chaos.tasks import app\n"
            "for given in json.loads(sys.argv[2]): print(app.send_task(sys.argv[1], kwargs=given).id)"
        )
        return self.python(script, f"app.tasks.{task}", json.dumps(each)).split()

    def rows(self, query: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Ask PostgreSQL, past the proxy; waits for it while it recovers."""
        deadline = time.monotonic() + 30
        while True:
            try:
                with psycopg.connect(self.database_url, connect_timeout=5) as connection:
                    cursor = connection.execute(query, parameters)  # type: ignore[call-overload]
                    return cursor.fetchall() if cursor.description else []
            except psycopg.OperationalError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    def units_done(self, run_id: str) -> int:
        """Units that the run has done for good."""
        query = "SELECT count(*) FROM units WHERE run_id = %s AND state IN ('SUCCESS', 'PARTIAL')"
        return int(self.rows(query, [run_id])[0][0])

    def requests(self) -> dict[str, dict[str, int]]:
        """What the exchange was asked, by site and path."""
        counts: dict[str, dict[str, int]] = httpx.get(f"http://127.0.0.1:{self.exchange}/_requests").json()["counts"]
        return counts

    def exchange_fault(self, **fault: Any) -> None:
        """Let the exchange misbehave."""
        httpx.post(f"http://127.0.0.1:{self.exchange}/_faults", json=fault).raise_for_status()

    def calm_exchange(self) -> None:
        """End its faults, and forget what it was asked."""
        for path in ("_faults", "_requests"):
            httpx.delete(f"http://127.0.0.1:{self.exchange}/{path}").raise_for_status()

    def last_words(self) -> str:
        """The end of each log, for the message of a failure."""
        return "\n".join(f"--- {child.name}\n{child.said()[-2500:]}" for child in self.children.values())

    def close(self) -> None:
        """End all that was started here."""
        for child in self.children.values():
            child.send_all(signal.SIGCONT)
            child.send(signal.SIGTERM)
        for child in self.children.values():
            child.stop(10)
        self._closing.close()

    def remove(self) -> None:
        """Close, and delete the folder."""
        self.close()
        for folder in (self.folder, self.logs):
            shutil.rmtree(folder, ignore_errors=True)


def _by_way_of(proxy: Proxy, port: int, url: str) -> str:
    return url.replace(f"@127.0.0.1:{port}", f"@{proxy.host}:{proxy.port}")


@contextlib.contextmanager
def running_exchange(folder: Path) -> Iterator[int]:
    """The exchange of few securities; its port."""
    port = free_port()
    with (folder / "exchange.log").open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.exchange", str(port)],
            cwd=BACKEND,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        wait_until(lambda: answers_http(port, "/_health"), within=60, what="the exchange")
        yield port
    finally:
        process.kill()
        process.wait(30)
