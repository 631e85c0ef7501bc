"""What it takes to run one program: its command, environment, readiness and the way it stops."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from app.runtime.account import Account


@dataclass(frozen=True, kw_only=True)
class Program:
    """One long-running program under supervision.

    Secrets belong in ``environment`` or in a file of mode 0600, never in ``argv``, which every user can read in ``ps``.

    Attributes:
        name: short name in the log.
        argv: command and arguments.
        environment: the whole environment of the program; nothing is inherited.
        folder: its working directory.
        ready: true once it serves; called in a thread, repeatedly. None: ready as soon as it runs.
        ready_file: removed before each start and written by the program when it serves, in place of ``ready``.
        alive: true while it goes on; asked every few seconds in a thread. What gives no sign for long is restarted.
        alive_file: touched by the program's main loop while it turns, in place of ``alive``.
        account: the account to drop to, or None for our own.
        stop_signal: asks it to end, finishing what it has in hand.
        hasten_signal: asks it to end at once.
        orphan_signal: sent by the kernel (Linux) when the supervisor is killed.
        grace: seconds between ``stop_signal`` and ``hasten_signal``.
        may_be_killed: whether SIGKILL may follow; false for PostgreSQL, which is waited for.
        optional: the platform serves without it, so a failure to start is reported and not fatal.
        ready_within: seconds that it may take to get ready.
    """

    name: str
    argv: Sequence[str]
    environment: Mapping[str, str]
    folder: Path
    ready: Callable[[], bool] | None = None
    ready_file: Path | None = None
    alive: Callable[[], bool] | None = None
    alive_file: Path | None = None
    account: Account | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    hasten_signal: signal.Signals = signal.SIGTERM
    orphan_signal: signal.Signals = signal.SIGTERM
    grace: float = 10.0
    may_be_killed: bool = True
    optional: bool = False
    ready_within: float = 60.0

    def launch_argv(self) -> list[str]:
        """The command that ends up as this program, in a session of its own and bound to our life."""
        uid, gid = (self.account.uid, self.account.gid) if self.account else (-1, -1)
        launcher = str(Path(__file__).with_name("launch.py"))
        bound = [str(os.getpid()), str(int(self.orphan_signal)), str(uid), str(gid)]
        return [sys.executable, "-I", "-S", launcher, *bound, *self.argv]

    def start(self, output: int | IO[bytes]) -> subprocess.Popen[bytes]:
        """Start it without supervision, for tests and one-off use; both streams go to ``output``."""
        return subprocess.Popen(
            self.launch_argv(),
            env=dict(self.environment),
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
