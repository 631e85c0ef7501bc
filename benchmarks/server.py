"""A PostgreSQL of our own for one benchmark: durable settings, a free port, a folder that goes away."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import Engine, text

from app.runtime.account import server_account
from app.runtime.ports import free_port
from app.runtime.postgres import Postgres
from app.runtime.valkey import Valkey
from app.store import migrate
from app.store.engine import make_engine


@contextlib.contextmanager
def database() -> Iterator[Engine]:
    """An engine on a fresh, migrated database with the settings that ``make up`` uses."""
    folder = Path(tempfile.mkdtemp(prefix="quantlab-bench-")).resolve()
    folder.chmod(0o711)  # the server's account must reach its own folder below
    server = Postgres(folder / "postgres", free_port(), server_account())
    try:
        server.prepare()
        with (folder / "log").open("wb") as log:
            child = server.program().start(log)
        try:
            deadline = time.monotonic() + 60
            while not server.is_ready():
                if child.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit((folder / "log").read_text())
                time.sleep(0.05)
            migrate.upgrade(server.url(), source="sandbox")
            engine = make_engine(server.url(), application_name="benchmark")
            yield engine
            engine.dispose()
        finally:
            child.send_signal(server.program().stop_signal)
            child.wait(60)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def valkey() -> Iterator[tuple[str, int]]:
    """Address and process of a Valkey of our own, with the settings that ``make up`` uses."""
    folder = Path(tempfile.mkdtemp(prefix="quantlab-bench-")).resolve()
    server = Valkey(folder / "valkey", free_port())
    try:
        server.prepare()
        with (folder / "log").open("wb") as log:
            child = server.program().start(log)
        try:
            deadline = time.monotonic() + 60
            while not server.is_ready():
                if child.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit((folder / "log").read_text())
                time.sleep(0.05)
            yield server.url(), child.pid
        finally:
            child.send_signal(server.program().stop_signal)
            child.wait(60)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def wal_position(engine: Engine) -> int:
    """Bytes of write-ahead log that the server has made so far."""
    with engine.connect() as connection:
        return int(connection.scalar(text("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn")) or 0)


def command(engine: Engine, statement: str) -> None:
    """Run what cannot run in a transaction, such as VACUUM."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(statement))
