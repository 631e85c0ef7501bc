"""Whether this machine has what a start needs: room on the disk and a free port. Each refusal is one sentence."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

import psutil

from app.errors import ConfigurationError
from app.runtime.ports import is_taken, next_free

NEEDED_MB = 500
"""A new cluster, the write-ahead logs and a first load of the whole market."""


def check_room(folder: Path, *, needed_mb: int = NEEDED_MB) -> None:
    """Raise ConfigurationError where fewer than ``needed_mb`` MB are free: a full disk would stop PostgreSQL midway."""
    free_mb = shutil.disk_usage(folder).free // 1_000_000
    if free_mb < needed_mb:
        raise ConfigurationError(
            f"Only {free_mb} MB are free on the disk of {folder} and QuantLab needs {needed_mb} MB to start: "
            "make room, or set QUANTLAB_HOME to a folder on another disk."
        )


def check_port(port: int, host: str) -> None:
    """Raise ConfigurationError where another program listens on ``host:port``; names it where the system tells."""
    if is_taken(port, host):
        raise ConfigurationError(
            f"Port {port} is taken{_by_whom(port)}: stop that program, "
            f"or choose another port, such as `make up PORT={next_free(port, host)}`."
        )


def _by_whom(port: int) -> str:
    with contextlib.suppress(psutil.Error, OSError):  # macOS tells root only
        for link in psutil.net_connections("tcp"):
            if link.status == psutil.CONN_LISTEN and link.laddr.port == port and link.pid:
                return f" by {psutil.Process(link.pid).name()} (pid {link.pid})"
    return ""
