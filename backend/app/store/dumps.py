"""The whole database as a stream of pg_dump's, and back: into a new database that then takes the other one's place."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

import psycopg
from psycopg import pq, sql
from sqlalchemy import Connection, func, select, text
from sqlalchemy.engine import make_url

from app.errors import AlreadyRunning, StoreError, StoreUnavailable
from app.store import provenance
from app.store.engine import Engine, first_line, snapshot
from app.store.tables import METADATA

_MAINTENANCE = "postgres"
"""The database to be in while another is renamed: nobody may be in that one."""
_LOCK = 0x51_4C_02
_TRIES = 6
"""Each waits up to 5 s, inside PostgreSQL, for those who were sent away to be gone."""
_CHUNK = 1 << 18
_DATA = ("securities", "bars", "corporate_actions", "figures", "quarantine", "runs")
"""A database that has a row of one of these is not empty."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A database at one instant, which *snapshot* names to others while the transaction is open."""

    source: str | None
    bytes: int
    rows: Mapping[str, int]
    snapshot: str


@contextmanager
def standing(engine: Engine) -> Iterator[Standing]:
    """Hold on to this instant, whatever is written meanwhile."""
    with snapshot(engine) as connection:
        yield Standing(
            provenance.held_source(connection),
            connection.scalar(text("SELECT pg_database_size(current_database())")) or 0,
            count(connection),
            str(connection.scalar(text("SELECT pg_export_snapshot()"))),
        )


def count(connection: Connection) -> dict[str, int]:
    """Table → its rows; of the tables that there are."""
    query = "SELECT tablename FROM pg_tables WHERE schemaname = current_schema() AND tablename = ANY(:names)"
    names = connection.scalars(text(query), {"names": list(METADATA.tables)}).all()
    one = {name: select(func.count()).select_from(METADATA.tables[name]) for name in sorted(names)}
    return {name: connection.scalar(query) or 0 for name, query in one.items()}


def has_data(connection: Connection) -> bool:
    """Whether the database holds anything that somebody may miss."""
    there = [name for name in _DATA if connection.scalar(text("SELECT to_regclass(:name)"), {"name": name})]
    return any(connection.scalar(text(f"SELECT EXISTS (SELECT FROM {name})")) for name in there)


def dump(url: str, name: str, *, pg_dump: Path, into: IO[bytes], written: Callable[[int], None]) -> None:
    """Write the database as it stood in the snapshot of that *name*; tells how many bytes it were so far.

    Raises:
        StoreError: pg_dump says why.
    """
    argv: list[Path | str] = [
        pg_dump,
        "--format=custom",
        f"--snapshot={name}",
        "--no-owner",
        "--no-privileges",
        "--no-password",
    ]
    with _tool(argv, url, stdout=subprocess.PIPE) as process:
        total, content = 0, cast("IO[bytes]", process.stdout)
        while chunk := content.read(_CHUNK):
            into.write(chunk)
            total += len(chunk)
            written(total)


class Server:
    """The server of a database, seen from beside it; only one at a time, whoever else tries."""

    def __init__(self, url: str) -> None:
        self._url = make_url(url).set(drivername="postgresql")
        self.current = self._url.database or ""
        self.new, self._aside = f"{self.current}_restoring", f"{self.current}_replaced"

    @contextmanager
    def alone(self) -> Iterator[Server]:
        """Hold the server's only place for this; raises AlreadyRunning, or StoreUnavailable."""
        url = self._url.set(database=_MAINTENANCE).render_as_string(hide_password=False)
        try:
            with psycopg.connect(url, autocommit=True, connect_timeout=5, application_name="quantlab restore") as admin:
                (free,) = admin.execute("SELECT pg_try_advisory_lock(%s)", [_LOCK]).fetchone() or (False,)
                if not free:
                    raise AlreadyRunning("Another restore is under way on this server: wait for its end.")
                self._admin = admin
                yield self
        except psycopg.Error as error:
            raise StoreUnavailable(f"PostgreSQL could not do it: {first_line(error)}.") from error

    def url_of(self, database: str) -> str:
        """The address of another database of this server."""
        return self._url.set(database=database).render_as_string(hide_password=False)

    def load(self, content: Iterable[bytes], *, pg_restore: Path) -> None:
        """Make the new database out of what ``dump`` wrote; what an earlier try left goes. Raises StoreError."""
        self.discard()
        self._execute("CREATE DATABASE {} TEMPLATE template0", self.new)
        argv: list[Path | str] = [
            *(pg_restore, "--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges", "--no-password"),
            f"--dbname={self.new}",
        ]
        with _tool(argv, self.url_of(self.new), stdin=subprocess.PIPE) as process:
            given = cast("IO[bytes]", process.stdin)
            try:
                for chunk in content:
                    given.write(chunk)
                given.close()
            except BrokenPipeError:
                pass  # it ended: its own words say why

    def take_place(self) -> None:
        """Let the new database stand under the name of the current one, at once; those who are in that are sent away.

        Raises:
            StoreUnavailable: somebody came back each time; nothing was changed.
        """
        for _ in range(_TRIES):
            try:
                with self._admin.transaction():
                    self._admin.execute(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = ANY(%s)",
                        [[self.current, self.new]],
                    )
                    self._execute("ALTER DATABASE {} RENAME TO {}", self.current, self._aside)
                    self._execute("ALTER DATABASE {} RENAME TO {}", self.new, self.current)
            except psycopg.errors.ObjectInUse:
                continue
            return
        raise StoreUnavailable(
            f"Others keep coming back to the database {self.current}, so it was not replaced: stop the platform, and "
            "try again."
        )

    def has_taken_place(self) -> bool:
        """Whether the current database is one that took another's place, and that one is still there."""
        query = "SELECT EXISTS (SELECT FROM pg_database WHERE datname = %s)"
        (there,) = self._admin.execute(query, [self._aside]).fetchone() or (False,)
        return bool(there)

    def discard(self) -> None:
        """Remove what is left of a restore: a new database that was not wanted, and the one that was replaced."""
        for name in (self.new, self._aside):
            self._execute("DROP DATABASE IF EXISTS {} WITH (FORCE)", name)

    def _execute(self, statement: str, *names: str) -> None:
        self._admin.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


@contextmanager
def _tool(
    argv: Sequence[Path | str], url: str, *, stdin: int = subprocess.DEVNULL, stdout: int = subprocess.DEVNULL
) -> Iterator[subprocess.Popen[bytes]]:
    """One of PostgreSQL's own programs, until it ends; raises StoreError with its words when it fails."""
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(argv, env=_environment(url), stdin=stdin, stdout=stdout, stderr=said)
        try:
            yield process
            process.wait()
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout):
                if stream and not stream.closed:
                    stream.close()
        if process.returncode:
            said.seek(0)
            lines = said.read().decode(errors="replace").strip().splitlines() or ["it says nothing"]
            raise StoreError(f"{Path(argv[0]).name} failed: {lines[0].rstrip('.')}.")


def _environment(url: str) -> dict[str, str]:
    """What libpq's programs read instead of arguments, which every user of the machine could see."""
    address = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    given = {one.envvar: one.val for one in pq.Conninfo.parse(address.encode()) if one.envvar and one.val}
    return {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C"} | {
        name.decode(): value.decode() for name, value in given.items()
    }
