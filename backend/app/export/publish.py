"""Publish a finished tree of any format: ``current`` is a symbolic link that moves in one step, never showing a half.

::

    <root>/.lock                  held while an export is built: one at a time
    <root>/.building-<id>/        being built, or left by a process that died
    <root>/snapshot-<time>/       finished, never changed again
    <root>/current -> snapshot-<time>
    <root>/.spare                 the last that was no longer kept, whose files the next export may overwrite
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from app.errors import AlreadyRunning, ExportError
from app.market.sayings import say

CURRENT = "current"
MANIFEST = "manifest.json"
_SPARE = ".spare"


@contextmanager
def exclusive(root: Path, *, patience: float = 0.0) -> Iterator[None]:
    """Hold *root*'s lock, for which it waits *patience* seconds, and clear what a process that died has left there.

    Raises:
        AlreadyRunning: another process holds it.
        ExportError: the folder cannot be written to.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        lock = (root / ".lock").open("w")
    except OSError as error:
        raise ExportError(f"{root} cannot be written to: {error.strerror}. The previous export stays.") from error
    with lock:
        given_up = time.monotonic() + patience
        while not _is_locked(lock):
            if time.monotonic() >= given_up:
                raise AlreadyRunning(say("export_under_way", folder=root))
            time.sleep(0.05)
        for left in [*root.glob(".building-*"), *root.glob(".current-*")]:
            if left.is_dir() and not left.is_symlink():
                shutil.rmtree(left)
            else:
                left.unlink()
        yield


def _is_locked(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def building(root: Path, name: str, *, size: int, reuse: bool = False) -> Iterator[Path]:
    """A folder to build a tree of *size* bytes in; removed unless it was published.

    With *reuse* it is the spare one, as it was left, if there is one; else it is empty.

    Raises:
        ExportError: the disk is full, or another fault of it; nothing of the attempt is left.
    """
    spare = root / _SPARE
    if not reuse:
        shutil.rmtree(spare, ignore_errors=True)
    free = shutil.disk_usage(root).free + int((manifest_of(spare) or {}).get("bytes", 0))
    if free < size:
        raise ExportError(
            f"The export needs {size / 1e6:,.0f} MB in {root} and {free / 1e6:,.0f} MB are free: make room, or lower "
            "EXPORT_KEEP. The previous export stays."
        )
    folder = root / f".building-{name}"
    try:
        if spare.exists():
            spare.rename(folder)
        else:
            folder.mkdir()
        yield folder
    except OSError as error:
        why = error.strerror or str(error)
        raise ExportError(f"The export could not be written to {root}: {why}. The previous export stays.") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def publish(root: Path, folder: Path, manifest: Mapping[str, Any], *, at: datetime) -> Path:
    """Make *folder* the current snapshot, with its *manifest*; returns its new place."""
    text = json.dumps({**manifest, **_extent(folder)}, indent=2, ensure_ascii=False)
    (folder / MANIFEST).write_text(text + "\n", encoding="utf-8")
    # On disk before the link is, so that a power cut cannot leave a link to empty files; one call for all of them.
    os.sync()
    snapshot = _free_name(root, at)
    folder.rename(snapshot)
    point_at(root, snapshot)
    return snapshot


def point_at(root: Path, snapshot: Path) -> None:
    """Make *snapshot* the current one, in one step."""
    link = root / f".current-{snapshot.name}"
    link.symlink_to(snapshot.name)
    link.replace(root / CURRENT)


def read_manifest(root: Path) -> dict[str, Any] | None:
    """The manifest of the current export; None when there is none, or when files of it are gone or cut."""
    current = (root / CURRENT).resolve()
    return manifest_of(current) if is_whole(current) else None


def manifest_of(snapshot: Path) -> dict[str, Any] | None:
    """The manifest of a snapshot; None when there is none that can be read."""
    try:
        manifest = json.loads((snapshot / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return manifest if isinstance(manifest, dict) else None


def is_whole(snapshot: Path) -> bool:
    """Whether the files of a snapshot are as many and as long as its manifest says; their bytes are not read."""
    manifest = manifest_of(snapshot)
    try:
        return manifest is not None and all(manifest.get(name) == size for name, size in _extent(snapshot).items())
    except OSError:
        return False


def not_kept(root: Path, *, keep: int) -> list[Path]:
    """The snapshots beyond the newest *keep*, but for the current one."""
    current = (root / CURRENT).resolve()
    snapshots = sorted((path for path in root.glob("snapshot-*") if path.is_dir()), reverse=True)
    return [path for path in snapshots[max(keep, 1) :] if path != current]


def remove_old(root: Path, *, keep: int, spare: bool = False) -> int:
    """Keep the newest *keep* snapshots, and the current one in any case; returns how many were removed.

    With *spare* the newest of the others is set aside for the next export to overwrite. Nobody finds it by its name
    any more, and its bytes stay until then: who is reading a file of it reads it to the end.
    """
    old = not_kept(root, keep=keep)
    for number, path in enumerate(old):
        if spare and number == 0:
            shutil.rmtree(root / _SPARE, ignore_errors=True)
            path.rename(root / _SPARE)
        else:
            shutil.rmtree(path)
    return len(old)


def _free_name(root: Path, at: datetime) -> Path:
    stem = f"snapshot-{at.astimezone(UTC):%Y%m%dT%H%M%S.%fZ}"
    names = (f"{stem}-{number}" if number else stem for number in range(1000))
    return next(path for name in names if not (path := root / name).exists())


def _extent(folder: Path) -> dict[str, int]:
    """How many files, the manifest aside, and how many bytes: what tells a whole snapshot from a damaged one."""
    files = size = 0
    folders = [str(folder)]
    while folders:
        for entry in os.scandir(folders.pop()):
            if entry.is_dir():
                folders.append(entry.path)
            elif entry.path != f"{folder}/{MANIFEST}":
                files += 1
                size += entry.stat().st_size
    return {"files": files, "bytes": size}
