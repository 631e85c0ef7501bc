"""The web as a process of its own, asked over a connection that stays, side by side with its limit."""

from __future__ import annotations

import http.client
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import Engine

from app.runtime.ports import free_port

BACKEND = Path(__file__).resolve().parents[1] / "backend"


def side_by_side(one: Callable[[], object], other: Callable[[], object], *, times: int) -> tuple[float, float]:
    """Median seconds of each, in turn."""
    seconds: tuple[list[float], list[float]] = ([], [])
    for number in range(times + 20):
        for function, taken in zip((one, other), seconds, strict=True):
            began = time.perf_counter()
            function()
            if number >= 20:  # the first ones connect, import and fill caches
                taken.append(time.perf_counter() - began)
    return statistics.median(seconds[0]), statistics.median(seconds[1])


def getting(port: int, path: str) -> Callable[[], bytes]:
    """Asks the web for *path* over a connection that stays."""
    ask = asking(port)
    return lambda: ask(path)


def asking(port: int) -> Callable[[str], bytes]:
    """Asks the web for a path over a connection that stays."""
    connection = http.client.HTTPConnection("127.0.0.1", port)

    def ask(path: str) -> bytes:
        connection.request("GET", path)
        reply = connection.getresponse()
        body = reply.read()
        if reply.status != 200:
            raise SystemExit(body.decode())
        return body

    return ask


@contextmanager
def web(engine: Engine, redis_url: str) -> Iterator[int]:
    """The port of a web process of our own on these servers."""
    port = free_port()
    with TemporaryDirectory(prefix="quantlab-bench-") as home:
        environment = {
            **os.environ,
            "QUANTLAB_HOME": home,
            "PORT": str(port),
            "LOG_LEVEL": "WARNING",
            "QUANTLAB_SOURCE": "sandbox",
            "DATABASE_URL": engine.url.set(drivername="postgresql").render_as_string(hide_password=False),
            **dict.fromkeys(("REDIS_URL", "CELERY_BROKER_URL", "CELERY_RESULT_BACKEND"), redis_url),
        }
        words = [sys.executable, "-m", "app.main"]
        with subprocess.Popen(words, cwd=BACKEND, env=environment, stdout=subprocess.DEVNULL) as server:
            try:
                _wait(port, server)
                yield port
            finally:
                server.terminate()


def _wait(port: int, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            getting(port, "/health/live")()
        except OSError:
            if server.poll() is not None or time.monotonic() > deadline:
                raise SystemExit("the web does not start") from None
            time.sleep(0.1)
        else:
            return
