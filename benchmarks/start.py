"""The whole platform by ``quantlab up``: how soon it is ready, and what memory each of its programs has at rest.

The first start makes the database and migrates it; the second finds both. Beside each stands what no start can do
without: the slowest single program, the web process, alone on servers that run already.
"""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from app.runtime.ports import free_port
from benchmarks.claim import Claim
from benchmarks.server import database, valkey
from benchmarks.web import web

STARTS = 5
REST = 20.0
MOST_OF_WEB, MOST_FIRST_OF_WEB, MOST_MB = 4.0, 10.0, 1000
QUANTLAB = Path(sys.executable).with_name("quantlab")


def main() -> list[Claim]:
    with tempfile.TemporaryDirectory(prefix="quantlab-bench-") as folder:
        Path(folder).chmod(0o711)  # the database's account must reach its own folder below
        home = Path(folder).resolve() / "home"
        with _up(home) as first:
            pass
        alone, starts = [], []
        with database() as engine, valkey() as (url, _):
            for _ in range(STARTS):
                began = time.perf_counter()
                with web(engine, url):
                    alone.append(time.perf_counter() - began)
                with _up(home) as seconds:
                    starts.append(seconds)
        with _up(home):
            time.sleep(REST)
            memory = _memory(home)
    one, again = statistics.median(alone), statistics.median(starts)
    print(f"The platform by `quantlab up` (sandbox; medians of {STARTS} starts)")
    print(f"  ready, the first time, s {first:>8.1f}   again {again:>8.1f}   the web process alone {one:>8.1f}")
    print(f"  memory {REST:.0f} s later, MB (what a program shares is split among those that share it)")
    for name, mb in sorted(memory.items(), key=lambda item: -item[1]):
        print(f"    {name:<20}{mb:>8.0f}")
    return [
        Claim(
            name="ready on a new folder ÷ the web process alone", value=first / one, most=MOST_FIRST_OF_WEB,
            ours=f"{first:.1f} s", beside=f"{one:.1f} s",
        ),
        Claim(
            name="ready on a folder in use ÷ the web process alone", value=again / one, most=MOST_OF_WEB,
            ours=f"{again:.1f} s", beside=f"{one:.1f} s",
        ),
        Claim(name="memory of all programs at rest, MB", value=sum(memory.values()), most=MOST_MB),
    ]  # fmt: skip


@contextmanager
def _up(home: Path) -> Iterator[float]:
    """A platform that runs, and the seconds until it said that it is ready."""
    log = home.with_suffix(".log")
    environment = os.environ | {"QUANTLAB_HOME": str(home), "FLOWER_PORT": str(free_port())}
    began = time.perf_counter()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [QUANTLAB, "up", "--port", str(free_port())], env=environment, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        while b"QuantLab is ready" not in log.read_bytes():
            if process.poll() is not None or time.perf_counter() - began > 120:
                raise SystemExit(log.read_text(errors="replace"))
            time.sleep(0.02)
        yield time.perf_counter() - began
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)


def _memory(home: Path) -> dict[str, float]:
    """MB of each program with its children."""
    found = {}
    for pid, facts in json.loads((home / "programs.json").read_text()).items():
        if psutil.pid_exists(int(pid)):
            program = psutil.Process(int(pid))
            family = (program, *program.children(recursive=True))
            found[facts["name"]] = sum(one.memory_full_info().pss for one in family) / 1e6
    return found
