"""Put a backup in the place of what a platform holds: whole or not at all."""

from __future__ import annotations

import glob
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from app.errors import ConfigurationError, InvalidParameter, StoreError
from app.services import audited, backup_file
from app.services.backup_file import Manifest, Told
from app.services.identity import Identity
from app.store import dumps, heartbeats, migrate
from app.store.dumps import Server
from app.store.engine import make_engine, transaction

_SPARE = 64_000_000


@dataclass(frozen=True, slots=True)
class Destination:
    """Where it goes: *archive* is None where raw replies lie in object storage."""

    url: str
    source: str
    data_dir: Path
    archive: Path | None
    own_server: bool
    """Whether the database lies in *data_dir*, too."""


def restore(path: Path, to: Destination, *, pg_restore: Path, replace: bool, by: Identity, told: Told) -> Manifest:
    """Check the file, load it aside, bring it to this code's schema, and let it take the place of what was there.

    What is held until then stays untouched; programs that are connected are sent away once, and come back to the
    restored database.

    Raises:
        InvalidParameter: the file is cut, altered or another source's, or the platform holds something and *replace*
            was not said; nothing was done.
        ConfigurationError: a newer QuantLab made it, the disk has no room, takes nothing, or is mounted where the
            replies lie; nothing was replaced.
        AlreadyRunning: another restore is under way.
        StoreError: PostgreSQL refuses; what was held is held as before.
    """
    manifest = backup_file.checked(path, told)
    if manifest.source != to.source:
        raise InvalidParameter(
            f"{path} holds data of the source {manifest.source}, and this platform is {to.source}'s: the two never mix."
        )
    if not migrate.knows(manifest.revision):
        raise ConfigurationError(
            f"{path} was made by QuantLab {manifest.version}, whose tables this one does not know: update it first."
        )
    with Server(to.url).alone() as server:
        _Replies(to.archive, server).settle()
        if not replace and (what := _held(server, to.archive)):
            raise InvalidParameter(
                f"This platform holds {what}: say --replace to put the backup in its place for good."
            )
        if to.archive and manifest.replies is not None:
            _check_place(to.archive.resolve())
        _check_room(manifest, to)
        try:
            with _staged_replies(path, manifest, to.archive, server, told) as replies:
                server.load(_database(path, manifest, told), pg_restore=pg_restore)
                _prepare(server.url_of(server.new), manifest, path.name, to.source, by)
                replies.take_place()
                server.take_place()
        finally:
            server.discard()  # last: while the replaced database is there, everybody sees that it was replaced
    for name, content, _ in backup_file.below(path, backup_file.SECRETS):
        _write_private(to.data_dir / name.name, content)
    return manifest


def _held(server: Server, archive: Path | None) -> str | None:
    engine = make_engine(server.url_of(server.current), application_name="quantlab restore", pool_size=1)
    try:
        with transaction(engine) as connection:
            if dumps.has_data(connection):
                return "data"
    finally:
        engine.dispose()
    return f"raw replies in {archive}" if archive and any(archive.rglob("*.gz")) else None


def _check_place(archive: Path) -> None:
    if os.path.ismount(archive):
        raise ConfigurationError(
            f"{archive} is where a disk is mounted, which no other folder can replace: mount it one folder higher, or "
            "let QUANTLAB_ARCHIVE name a folder on it."
        )


def _check_room(manifest: Manifest, to: Destination) -> None:
    needs = {to.archive: manifest.reply_bytes} if to.archive else {}
    if to.own_server:
        needs[to.data_dir] = needs.get(to.data_dir, 0) + manifest.database_bytes
    together: dict[int, int] = {}
    for folder, needed in needs.items():
        there = next(step for step in (folder, *folder.parents) if step.exists())
        device = there.stat().st_dev
        together[device] = together.get(device, 0) + needed
        free = shutil.disk_usage(there).free
        if free < together[device] + _SPARE:
            raise ConfigurationError(
                f"Restoring takes {together[device] // 1_000_000:,} MB and {free // 1_000_000:,} MB are free on the "
                f"disk of {there}: make room first."
            )


def _database(path: Path, manifest: Manifest, told: Told) -> Iterator[bytes]:
    done = 0
    for chunk in backup_file.read(path, backup_file.DATABASE):
        done += len(chunk)
        told("database", min(done, manifest.database_bytes), manifest.database_bytes)
        yield chunk


def _prepare(url: str, manifest: Manifest, name: str, source: str, by: Identity) -> None:
    """See that each row came, bring the tables to this code's form, and let the audit say where they are from."""
    engine = make_engine(url, application_name="quantlab restore", pool_size=1, statement_timeout=3600)
    try:
        with transaction(engine) as connection:
            held = dumps.count(connection)
        if wrong := [table for table, rows in manifest.rows.items() if held.get(table) != rows]:
            raise StoreError(
                f"Of {wrong[0]} there are {held.get(wrong[0])} rows and not the {manifest.rows[wrong[0]]} of the "
                "backup; nothing was replaced."
            )
        migrate.upgrade(url, source=source)
        with transaction(engine) as connection:
            heartbeats.forget_all(connection)  # of programs that do not run here: all would be called dead
            row = audited.begin(connection, by, "platform.restore", name)
            audited.end(connection, row, after={"made_at": manifest.made_at, "version": manifest.version})
    finally:
        engine.dispose()


class _Replies:
    """Raw replies that lie beside the archive until it is time."""

    def __init__(self, archive: Path | None, server: Server) -> None:
        # Where a link leads to another disk, they lie beside what it names: they are renamed, and not copied.
        self._archive, self._server = archive and archive.resolve(), server
        if self._archive:
            self.staged = self._archive.with_name(f"{self._archive.name}.restoring")
            self.replaced = self._archive.with_name(f"{self._archive.name}.replaced")

    def take_place(self) -> None:
        """They are the archive, for as long as it takes to replace the database, too."""
        if self._archive:
            self._archive.mkdir(parents=True, exist_ok=True)
            self._archive.rename(self.replaced)
            self.staged.rename(self._archive)

    def settle(self) -> None:
        """Leave the replies that belong to the database, whoever was killed between the two, and nothing beside them.

        The database decides: unless it was replaced, what was the archive is so again, with what came since.
        """
        if self._archive is None:
            return
        if self.replaced.exists() and not (self._archive.exists() and self._server.has_taken_place()):
            if self._archive.exists():
                self._take_back_since(self._archive)
            self.replaced.rename(self._archive)
        # Under another name first: what cannot be removed now must not count as replaced by the next restore.
        for folder in (self.staged, self.replaced):
            if folder.exists():
                folder.rename(folder.with_name(f"{self._archive.name}.gone-{uuid.uuid4()}"))
        for folder in self._archive.parent.glob(f"{glob.escape(self._archive.name)}.gone-*"):
            shutil.rmtree(folder, ignore_errors=True)

    def _take_back_since(self, archive: Path) -> None:
        """Out of the way with the backup's replies; those that a worker wrote in between are kept."""
        began = self.replaced.stat().st_ctime
        for path in list(archive.rglob("*.*")):
            if path.is_file() and path.stat().st_mtime >= began:
                kept = self.replaced / path.relative_to(archive)
                kept.parent.mkdir(parents=True, exist_ok=True)
                path.rename(kept)
        shutil.rmtree(self.staged, ignore_errors=True)
        archive.rename(self.staged)


@contextmanager
def _staged_replies(
    path: Path, manifest: Manifest, archive: Path | None, server: Server, told: Told
) -> Iterator[_Replies]:
    replies = _Replies(archive if manifest.replies is not None else None, server)
    try:
        if archive and manifest.replies is not None:
            try:
                _stage(path, replies.staged, lambda done: told("replies", done, manifest.replies or 0))
            except OSError as error:  # small files take more of a disk than their bytes
                raise ConfigurationError(
                    f"Below {replies.staged.parent} nothing could be written ({error.strerror or error}), and nothing "
                    "was replaced: make room, or see whose the folder is."
                ) from error
        yield replies
    finally:
        replies.settle()


def _stage(path: Path, folder: Path, told: Callable[[int], None]) -> None:
    folder.mkdir(parents=True)
    for done, (name, content, at) in enumerate(backup_file.below(path, backup_file.REPLIES), 1):
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        os.utime(file, (at, at))
        told(done)
    os.sync()  # once, for all of them: they are to outlast a power cut as the database does


def _write_private(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_bytes(content)
