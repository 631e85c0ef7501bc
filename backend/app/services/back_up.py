"""Write everything that cannot be had again into one file, while the platform works."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path, PurePath

from app.errors import ConfigurationError, InvalidParameter, StoreError
from app.files import Files, Written
from app.services import backup_file
from app.services.backup_file import FORMAT, Manifest, Told
from app.store import dumps
from app.store.engine import Engine
from app.store.migrate import current

_ASIDE = ".quantlab-backup-under-way"
"""How the name of a file ends that is not a backup yet."""
_SPARE = 64_000_000
"""Bytes that the disk is left, for others who write there."""


@dataclass(frozen=True, slots=True)
class Origin:
    """What is backed up: *archive* is None where the raw replies lie in object storage."""

    engine: Engine
    url: str
    archive: Files | None
    settings: Mapping[str, str]
    secrets: Mapping[str, bytes]
    version: str
    pg_dump: Path


@dataclass(frozen=True, slots=True)
class Made:
    """A backup: its file, bytes, checksum and content."""

    path: Path
    bytes: int
    sha256: str
    manifest: Manifest


def back_up(origin: Origin, path: Path, *, at: datetime, told: Told) -> Made:
    """Write the backup to *path*, whole or not at all: aside first, then renamed. What a killed one left there goes.

    The database is that of one instant. The replies are read after it, so that each one of which the database knows is
    among them; what is pruned meanwhile is left out.

    Raises:
        InvalidParameter: there is such a file already, or it cannot be written there.
        ConfigurationError: the disk has no room for it, or refuses it; nothing is left of it.
        StoreError: pg_dump failed, or a reply cannot be read; nothing is left of it.
    """
    if os.path.lexists(path):
        raise InvalidParameter(f"{path} is there already: name another file.")
    _remove_left(path.parent)
    # Not by its pid: in a container each backup has the same.
    aside = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}{_ASIDE}")
    try:
        descriptor = os.open(aside, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    except FileNotFoundError:
        raise InvalidParameter(f"There is no folder {path.parent}: make it first.") from None
    except OSError as error:
        raise InvalidParameter(f"{path} cannot be written ({error.strerror}).") from error
    try:
        with os.fdopen(descriptor, "w+b") as file:
            with contextlib.suppress(OSError):  # a file system without locks; then nobody can lock it to remove it
                fcntl.flock(file, fcntl.LOCK_EX)
            manifest, digest = _write(origin, backup_file.Writer(file), path.parent, at, told)
            file.flush()
            size = aside.stat().st_size
            os.link(aside, path)  # unlike a rename it does not replace what came there meanwhile
    except FileExistsError:
        raise InvalidParameter(f"{path} is there already: name another file.") from None
    except OSError as error:
        raise ConfigurationError(
            f"{path} could not be written ({error.strerror or error}), and nothing is left of it: make room, or name "
            "a file on another disk."
        ) from error
    finally:
        with contextlib.suppress(OSError):
            aside.unlink()
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return Made(path, size, digest, manifest)


def _remove_left(folder: Path) -> None:
    """Remove what backups that were killed left there, each as large as they had come: nobody locks it any more."""
    for left in folder.glob(f".*{_ASIDE}"):
        with contextlib.suppress(OSError), left.open("r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            left.unlink()


def _write(origin: Origin, writer: backup_file.Writer, folder: Path, at: datetime, told: Told) -> tuple[Manifest, str]:
    with dumps.standing(origin.engine) as standing:
        revision = current(origin.url)
        if standing.source is None or revision is None:
            raise InvalidParameter("The database is empty: there is nothing to back up.")
        replies = _replies(origin.archive, at)
        _check_room(folder, standing.bytes + sum(one.bytes for one in replies.values()))
        with writer.stream(backup_file.DATABASE) as into:
            dumps.dump(
                origin.url,
                standing.snapshot,
                pg_dump=origin.pg_dump,
                into=into,
                written=lambda done: told("database", min(done, standing.bytes), standing.bytes),
            )
    number = total = 0
    if origin.archive is not None:
        root = origin.archive.root
        for seen, (reply, content) in enumerate(origin.archive.read_all(list(replies)), start=1):
            told("replies", seen, len(replies))
            if isinstance(content, FileNotFoundError):
                continue
            if isinstance(content, OSError):
                raise StoreError(f"The archived reply {reply} cannot be read ({content}): nothing was backed up.")
            writer.add(f"{backup_file.REPLIES}/{reply.relative_to(root).as_posix()}", content, at=replies[reply].at)
            number, total = number + 1, total + len(content)
    writer.add(backup_file.SETTINGS, json.dumps(dict(origin.settings), indent=1, ensure_ascii=False).encode())
    for name, content in origin.secrets.items():
        writer.add(f"{backup_file.SECRETS}/{name}", content)
    manifest = Manifest(
        format=FORMAT,
        made_at=at.isoformat(),
        version=origin.version,
        source=standing.source,
        revision=revision,
        database_bytes=standing.bytes,
        rows=standing.rows,
        replies=None if origin.archive is None else number,
        reply_bytes=total,
        secrets=tuple(origin.secrets),
    )
    return manifest, writer.seal(manifest, told)


def _replies(archive: Files | None, at: datetime) -> dict[PurePath, Written]:
    if archive is None:
        return {}
    found = archive.written_before("", at + timedelta(days=1))
    return {one.path: one for one in found if not one.path.name.startswith(".")}


def _check_room(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < needed + _SPARE:
        raise ConfigurationError(
            f"The backup may take {needed // 1_000_000:,} MB and {free // 1_000_000:,} MB are free on the disk of "
            f"{folder}: make room, or name a file on another disk."
        )
