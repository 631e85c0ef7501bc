"""The pulse of a program: a row in PostgreSQL that a thread renews, and a file that its main loop itself touches.

The row says that the process is there and how long ago its main loop turned; the file is for who must decide without
PostgreSQL: the supervisor and a container's health check.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import psutil
from loguru import logger

from app.errors import QuantLabError
from app.ops.identity import machine, runs_here
from app.store import heartbeats
from app.store.engine import Connection, make_engine, transaction

EVERY = 5.0
"""Seconds between two renewals."""
TOUCH_EVERY = 1.0
PATIENCE = 3.0
"""Seconds that PostgreSQL may take for one renewal."""
LONGEST_STOP = 15 * 60.0
"""Seconds for which the thread vouches for a main loop that waits for its last tasks."""

_writing = threading.Lock()
"""Held while a pulse is written: a child forked meanwhile would inherit locks that nobody in it releases."""
_held_for_fork = threading.local()


def _before_fork() -> None:
    # Bounded: a PostgreSQL that hangs must not keep a worker from renewing its processes.
    _held_for_fork.yes = _writing.acquire(timeout=2 * PATIENCE)


def _after_fork() -> None:
    if getattr(_held_for_fork, "yes", False):
        _writing.release()
    _held_for_fork.yes = False


os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)


class Pulse:
    """Renews the row (*kind*, *name*) of this process until :meth:`stop`; never raises, never stops the program.

    *facts* gives what else to say, called in the thread. Where it says ``stuck``, the file is touched no more; where it
    says ``in_loop``, the main loop does its work itself and cannot turn meanwhile.
    """

    def __init__(
        self,
        url: str,
        *,
        kind: str,
        name: str,
        facts: Callable[[], Mapping[str, Any]] = dict,
        alive_file: Path | None = None,
        every: float = EVERY,
    ) -> None:
        self._engine = make_engine(
            url, application_name=f"quantlab {kind} pulse", pool_size=1, statement_timeout=PATIENCE
        )
        self._kind, self._name, self._facts, self._file, self._every = kind, name, facts, alive_file, every
        self._pid, self._host = os.getpid(), socket.gethostname()
        self._turned = time.monotonic()
        self._touched = 0.0
        self._stuck = self._away = False
        self._renewed = False
        self._stopping_since: float | None = None
        self._end = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin, once."""
        if self._thread is None:
            self.stamp()
            self._thread = threading.Thread(target=self._run, name="pulse", daemon=True)
            self._thread.start()

    def stamp(self) -> None:
        """The main loop turned. Cheap; called by that loop and by nobody else."""
        now = self._turned = time.monotonic()
        if self._file is None or self._stuck or now - self._touched < TOUCH_EVERY:
            return
        self._touched = now
        # A full disk still lets the times of a file that exists be set; whatever else happens, the loop goes on.
        with contextlib.suppress(OSError):
            self._file.touch()

    def stopping(self) -> None:
        """From now on the main loop waits for the last tasks and turns no more; that is not being stuck."""
        self._stopping_since = time.monotonic()

    def stop(self) -> None:
        """The program ends: forget the row. A child of a fork that calls it does nothing."""
        if self._thread is None or self._end.is_set() or os.getpid() != self._pid:
            return
        self._end.set()
        self._thread.join(2 * PATIENCE)
        with contextlib.suppress(QuantLabError, OSError):
            if self._renewed and not self._away:
                with transaction(self._engine) as connection:
                    heartbeats.remove(connection, self._kind, self._name, pid=self._pid)
        self._engine.dispose()

    def _run(self) -> None:
        while not self._end.is_set():
            with _writing:
                self._renew()
            self._end.wait(self._every)

    def _renew(self) -> None:
        try:
            facts = dict(self._facts())
            self._stuck = bool(facts.get("stuck"))
            if facts.get("in_loop") or self._ends():
                self.stamp()
            facts |= self._own_facts()
            with transaction(self._engine) as connection:
                if not self._renewed:
                    self._bury(connection)
                heartbeats.renew(
                    connection,
                    self._kind,
                    self._name,
                    host=self._host,
                    pid=self._pid,
                    started=not self._renewed,
                    facts=facts,
                )
        except Exception as error:
            # Whatever it is: the pulse must go on. Said once, not every five seconds.
            if not self._away:
                logger.warning("This program's heartbeat cannot be written, and is tried again: {}", error)
            self._away = True
            return
        if self._away:
            logger.info("This program's heartbeat is written again")
        self._away, self._renewed = False, True

    def _bury(self, connection: Connection) -> None:
        """Remove those of this machine that died without a word: this process takes their place."""
        for one in heartbeats.look(connection).programs:
            here = one.kind == self._kind and one.facts.get("machine") == machine()
            if here and not runs_here(one.pid, born=float(one.facts.get("born", 0))):
                heartbeats.remove(connection, one.kind, one.name, pid=one.pid)

    def _ends(self) -> bool:
        """Whether the main loop waits for its last tasks, and not for ever."""
        return self._stopping_since is not None and time.monotonic() - self._stopping_since < LONGEST_STOP

    def _own_facts(self) -> dict[str, Any]:
        return {
            "loop_age": round(time.monotonic() - self._turned, 1),
            "machine": machine(),
            "born": psutil.Process(self._pid).create_time(),
            "stopping": self._stopping_since is not None,
        }
