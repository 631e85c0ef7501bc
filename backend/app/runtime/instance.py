"""One platform a home: the lock, and running.json, by which other processes find the servers."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from app.errors import ConfigurationError
from app.runtime.account import Account, make_folder
from app.runtime.secret_file import write_private


@contextlib.contextmanager
def sole_instance(home: Path, *, account: Account | None) -> Iterator[None]:
    """Hold ``home`` for this process; the kernel lets go of it when we end, however we end.

    Raises:
        ConfigurationError: another one holds it, or the folder cannot be written.
    """
    make_folder(home, account=account)
    path = home / "up.lock"
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ConfigurationError(
            f"The folder {home} cannot be written ({error.strerror}): "
            "make it yours, or set QUANTLAB_HOME to a folder that you may write to."
        ) from error
    with os.fdopen(descriptor, "r+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigurationError(_already_running(home, lock.read().strip())) from None
        lock.truncate()
        lock.write(str(os.getpid()))
        lock.flush()
        # Left by a platform that was killed: its servers are gone.
        (home / "running.json").unlink(missing_ok=True)
        yield


@contextlib.contextmanager
def announced(home: Path, *, source: str, environment: Mapping[str, str], web: str) -> Iterator[None]:
    """Keep running.json (0600: the addresses hold passwords) while the servers are up."""
    path = home / "running.json"
    facts = {"source": source, "environment": dict(environment), "pid": os.getpid(), "web": web}
    write_private(path, json.dumps(facts, indent=2) + "\n")
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def _already_running(home: Path, pid: str) -> str:
    where = ""
    with contextlib.suppress(OSError, ValueError, KeyError):
        where = f" at {json.loads((home / 'running.json').read_text())['web']}"
    return (
        f"QuantLab is already running{where} (pid {pid or 'unknown'}) with the data in {home}: stop it with Ctrl-C "
        f"in its terminal{f' or `kill {pid}`' if pid else ''}, or set QUANTLAB_HOME to another folder."
    )
