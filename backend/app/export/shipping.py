"""A published snapshot as objects of a bucket, and back: ``current.json`` names it, and is written last.

::

    <address>/<kind>/snapshot-<time>/…    its files, the manifest among them
    <address>/<kind>/current.json         {"snapshot": …, "manifest": SHA-256 of its manifest}

Who reads the pointer first finds a snapshot that is whole: it is counted before the pointer is moved, and only those
that the exporting machine keeps no more are removed afterwards.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path, PurePath

from app.errors import ExportError
from app.export.publish import CURRENT, MANIFEST, exclusive, is_whole, point_at
from app.export.snapshots import PREFIX, wrong_files
from app.files import ObjectFiles

POINTER = "current.json"


def pointer_of(kind: str, files: ObjectFiles) -> dict[str, str] | None:
    """What is current in the bucket; None when nothing of that kind was shipped.

    Raises:
        ExportError: the pointer is not what ``ship`` writes.
        StoreUnavailable: the storage does not answer.
    """
    path = files.root / kind / POINTER
    try:
        pointer = json.loads(files.read(path))
        if not str(pointer["snapshot"]).startswith(PREFIX) or "/" in pointer["snapshot"]:
            raise ValueError(pointer["snapshot"])  # noqa: TRY301 - said as what else is wrong with it
        return {"snapshot": pointer["snapshot"], "manifest": str(pointer["manifest"])}
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise ExportError(f"{path} is damaged ({error}): remove it, then export again.") from error


def ship(root: Path, files: ObjectFiles) -> str | None:
    """Make the bucket's current snapshot that of *root*; its name, or None where it is so already.

    Raises:
        ExportError: not every object arrived, or the snapshot here is not whole; the bucket's current one stays.
        StoreUnavailable: the storage does not answer; the same.
    """
    snapshot, there = (root / CURRENT).resolve(), files.root / root.name
    if not is_whole(snapshot):
        raise ExportError(f"Files of {snapshot.name} are gone or cut: export again, or go back to another one.")
    pointer = {"snapshot": snapshot.name, "manifest": _digest(snapshot / MANIFEST)}
    if pointer_of(root.name, files) == pointer:
        return None
    here = {path.relative_to(snapshot).as_posix(): path for path in snapshot.rglob("*") if path.is_file()}
    files.upload({path: there / snapshot.name / name for name, path in here.items()})
    target = there / snapshot.name
    arrived = {path.relative_to(target).as_posix(): size for path, size in _sizes(target, files)}
    if wrong := [name for name, path in here.items() if arrived.get(name) != path.stat().st_size]:
        raise ExportError(f"{wrong[0]} of {snapshot.name} did not arrive whole in {there} ({len(wrong)} such files).")
    files.write(there / POINTER, json.dumps(pointer).encode())
    kept = {path.name for path in root.glob(f"{PREFIX}*")} | {POINTER}
    files.remove([path for path, _ in _sizes(there, files) if path.relative_to(there).parts[0] not in kept])
    return snapshot.name


def fetch(root: Path, files: ObjectFiles) -> Path:
    """Bring the bucket's current snapshot to *root* and make it current there, once its bytes are found right.

    Raises:
        AlreadyRunning: an export is being built in *root*.
        ExportError: nothing was shipped, or what came is not what was published; what is current stays.
        StoreUnavailable: the storage does not answer.
    """
    pointer = pointer_of(root.name, files)
    if pointer is None:
        raise ExportError(f"No export of the kind {root.name} is in {files.root}.")
    with exclusive(root):
        snapshot = root / str(pointer["snapshot"])
        if not snapshot.exists():
            _download(files, files.root / root.name / snapshot.name, pointer["manifest"], snapshot)
        point_at(root, snapshot)
    return snapshot


def _download(files: ObjectFiles, there: PurePath, manifest: str, snapshot: Path) -> None:
    # A name that the next export removes, should this be killed.
    folder = snapshot.with_name(f".building-{snapshot.name}")
    folder.mkdir()
    try:
        files.download({path: folder / path.relative_to(there) for path, _ in _sizes(there, files)})
        if not is_whole(folder) or wrong_files(folder) or _digest(folder / MANIFEST) != manifest:
            raise ExportError(f"{snapshot.name} in {files.root} is not what was published: ship it again.")
        folder.rename(snapshot)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _sizes(folder: PurePath, files: ObjectFiles) -> list[tuple[PurePath, int]]:
    return sorted(files.sizes(folder).items())


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
