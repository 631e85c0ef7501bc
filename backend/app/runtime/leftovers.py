"""Programs that outlived a supervisor that was killed: remembered in a file, ended at the next start."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from pathlib import Path

import psutil

from app.runtime.program import Program
from app.runtime.secret_file import write_private

SAME_START = 1.5
"""Seconds by which two readings of one process's start time may differ (the clock may have been set)."""


class ProgramRecord:
    """``programs.json``: pid, start time and way to stop of each program that runs."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._running: dict[str, dict[str, object]] = {}

    def add(self, pid: int, program: Program) -> None:
        """Remember that ``program`` runs as ``pid``."""
        with contextlib.suppress(psutil.NoSuchProcess):  # it died at once: nothing to remember
            self._running[str(pid)] = {
                "name": program.name,
                "started": psutil.Process(pid).create_time(),
                "stop_signal": int(program.hasten_signal),
                "may_be_killed": program.may_be_killed,
            }
            self._write()

    def remove(self, pid: int) -> None:
        """Forget ``pid``, which has ended."""
        if self._running.pop(str(pid), None):
            self._write()

    def end_leftovers(self, *, within: float = 30.0) -> list[str]:
        """End what a killed supervisor left running; the names of what was found.

        A pid counts only with its start time, for the system gives pids anew.
        """
        try:
            recorded: dict[str, dict[str, object]] = json.loads(self._path.read_text())
        except (OSError, ValueError):
            return []
        names: list[str] = []
        found: list[psutil.Process] = []
        killable: list[psutil.Process] = []
        for pid, facts in recorded.items():
            group = _session(int(pid), started=float(str(facts["started"])))
            if not group:
                continue
            names.append(str(facts["name"]))
            found += group
            if facts["may_be_killed"]:
                killable += group
            leader = min(group, key=lambda process: process.pid != int(pid))
            with contextlib.suppress(psutil.Error):
                leader.send_signal(signal.Signals(int(str(facts["stop_signal"]))))
        _, alive = psutil.wait_procs(found, timeout=within)
        for process in alive:
            if process in killable:
                with contextlib.suppress(psutil.Error):
                    process.kill()
        psutil.wait_procs(alive, timeout=within)
        self._path.unlink(missing_ok=True)
        return names

    def _write(self) -> None:
        # A full disk must not stop the platform; the kernel ends the programs with us anyway on Linux.
        with contextlib.suppress(OSError):
            if self._running:
                write_private(self._path, json.dumps(self._running))
            else:
                self._path.unlink(missing_ok=True)


def _session(leader: int, *, started: float) -> list[psutil.Process]:
    """The processes of the session that ``leader`` made when it started, which it may have outlived or not."""
    members: list[psutil.Process] = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if leader not in (process.pid, os.getsid(process.pid)) or process.status() == psutil.STATUS_ZOMBIE:
                continue
            begun = process.create_time()
            if process.pid == leader and abs(begun - started) > SAME_START:
                return []  # the pid was given anew, and with it the session
            if begun >= started - SAME_START:
                members.append(process)
    return members
