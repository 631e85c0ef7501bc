"""A process of the stage: started in a group of its own, and killed, frozen or stopped as a test wishes."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

from tests.conftest import PROJECT, wait_until

BACKEND = PROJECT / "backend"
START_WITHIN = 90.0


class Child:
    """One program; it writes ``ready`` (a file) when it serves, and all that it says to ``log``."""

    def __init__(self, name: str, argv: Sequence[str], *, environment: Mapping[str, str], folder: Path) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self._ready = folder / f"{name}.ready"
        self._argv = argv
        self._environment = {**environment, "QUANTLAB_READY_FILE": str(self._ready)}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Child:
        """Start it, or start it again, with all that it says at the end of the same log."""
        self._ready.unlink(missing_ok=True)
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                self._argv,
                cwd=BACKEND,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return self

    def wait_until_ready(self) -> Child:
        """Wait for the file that a worker and a beat write when they serve."""
        wait_until(lambda: self._ready.exists() or not self.alive(), within=START_WITHIN, what=f"{self.name}'s start")
        assert self._ready.exists(), self.said()[-3000:]
        return self

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def said(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def children(self) -> list[psutil.Process]:
        """The pool of a worker."""
        try:
            return psutil.Process(self.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []

    def send(self, number: signal.Signals) -> None:
        """To the program alone."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def send_all(self, number: signal.Signals) -> None:
        """To the program and its children."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def kill(self, *, with_children: bool = True) -> None:
        """SIGKILL, and take its body away."""
        (self.send_all if with_children else self.send)(signal.SIGKILL)
        self.wait()

    def wait(self, within: float = 30) -> int:
        assert self._process is not None
        return self._process.wait(within)

    def stop(self, within: float = 30) -> None:
        """SIGTERM, then whatever it takes."""
        if self._process is None:
            return
        self.send_all(signal.SIGCONT)
        self.send(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(within)
        self.kill()
