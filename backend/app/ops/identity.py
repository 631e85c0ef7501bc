"""Which machine this is, and whether a process that was seen on it is still there."""

from __future__ import annotations

import socket
from functools import cache
from pathlib import Path

import psutil

SAME_START = 1.5
"""Seconds by which two readings of one process's start may differ."""


@cache
def machine() -> str:
    """A name for what pids here are counted in: two containers of one host, or two boots, are two machines."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {Path('/proc/self/ns/pid').stat().st_ino}"
    except OSError:
        return socket.gethostname()


def runs_here(pid: int, *, born: float) -> bool:
    """Whether that very process lives on this machine: pids are given anew, so its start (epoch seconds) counts."""
    try:
        process = psutil.Process(pid)
        return bool(process.status() != psutil.STATUS_ZOMBIE and abs(process.create_time() - born) < SAME_START)
    except psutil.Error:
        return False
