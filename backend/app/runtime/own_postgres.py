"""The embedded PostgreSQL alone, for who needs it while the platform is down."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.errors import ConfigurationError
from app.runtime.account import make_folder, server_account
from app.runtime.instance import sole_instance
from app.runtime.leftovers import ProgramRecord
from app.runtime.ports import free_port
from app.runtime.postgres import Postgres

_BETWEEN_LOOKS = 0.05


@contextmanager
def own_postgres(home: Path, source: str) -> Iterator[str]:
    """The address of the server of *source*'s data, made where there is none; it ends with the block.

    Raises:
        ConfigurationError: a platform runs from *home*, or the server cannot start.
    """
    account = server_account()
    with sole_instance(home, account=account):
        ProgramRecord(home / "programs.json").end_leftovers()
        folder = make_folder(home / source, account=account)
        make_folder(folder / "logs", account=None)
        server = Postgres(folder / "postgres", free_port(), account)
        server.prepare()
        program, log = server.program(), folder / "logs" / "postgres.log"
        with log.open("ab") as output:
            child = program.start(output)
            try:
                until = time.monotonic() + program.ready_within
                while not server.is_ready():
                    if child.poll() is not None or time.monotonic() > until:
                        raise ConfigurationError(f"PostgreSQL does not start; {log} says why.")
                    time.sleep(_BETWEEN_LOOKS)
                yield server.url()
            finally:
                child.send_signal(program.stop_signal)
                child.wait()
