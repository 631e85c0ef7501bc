"""The snapshots of every kind of export: which there are, and going back to an earlier one.

::

    <exports>/<kind>/rolled-back.json   to which snapshot, by whom and when; counts while ``current`` is that one
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from app.errors import ExportError, InvalidParameter
from app.export.publish import CURRENT, is_whole, manifest_of, point_at
from app.market.sayings import say
from app.market.written import in_taipei

PREFIX = "snapshot-"
"""Of every name; people may leave it out."""
_ROLLED_BACK = "rolled-back.json"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One finished export. ``whole``: as many files and bytes as when it was published, after it was verified."""

    kind: str
    name: str
    current: bool
    rolled_back_to: bool
    whole: bool
    exported_at: datetime | None
    source: str | None
    bars: int | None
    securities: int | None
    first_session: str | None
    last_session: str | None
    sessions_not_held: int | None
    files: int | None
    bytes: int | None


@dataclass(frozen=True, slots=True)
class RolledBack:
    """Somebody's word that what is current should stay."""

    snapshot: str
    by: str
    at: str


def list_snapshots(exports: Path) -> list[Snapshot]:
    """Those of every kind, by kind and the newest first; none where nothing was exported yet."""
    roots = sorted(path for path in exports.glob("*") if path.is_dir())
    return [_described(root, path) for root in roots for path in _snapshots(root)]


def find_snapshot(root: Path, name: str | None) -> Path:
    """The snapshot of that *name*, or the current one. Raises InvalidParameter when there is none."""
    if name is None:
        current = (root / CURRENT).resolve()
        if current.parent != root.resolve() or not current.is_dir():
            raise InvalidParameter(f"There is no current export in {root}.")
        return current
    for path in _snapshots(root):
        if name in (path.name, path.name.removeprefix(PREFIX)):
            return path
    raise InvalidParameter(f"There is no snapshot {name!r} in {root}; look with `quantlab export list`.")


def roll_back(root: Path, name: str | None, *, by: str, at: datetime) -> Path:
    """Make an earlier snapshot current, in one step: the one of that *name*, or the newest before the current one.

    Hold the lock (``exclusive``) meanwhile. It stays current until an export is forced.

    Raises:
        InvalidParameter: there is no such snapshot, none before the current one, or it is current already.
        ExportError: files of it are gone or cut.
    """
    current = find_snapshot(root, None)
    if name is None:
        earlier = [path for path in _snapshots(root) if path.name < current.name]
        if not earlier:
            raise InvalidParameter(f"There is no snapshot before {current.name} in {root}: nothing to go back to.")
        chosen = earlier[0]
    else:
        chosen = find_snapshot(root, name)
    if chosen.name == current.name:
        raise InvalidParameter(f"{chosen.name} is the current one already.")
    if not is_whole(chosen):
        raise ExportError(f"Files of {chosen.name} are gone or cut; {current.name} stays current.")
    note = root / f".{_ROLLED_BACK}"
    note.write_text(json.dumps({"snapshot": chosen.name, "by": by, "at": at.isoformat(timespec="seconds")}))
    # The note first: it counts only once the link points there.
    note.replace(root / _ROLLED_BACK)
    point_at(root, chosen)
    return chosen


def rolled_back(root: Path) -> RolledBack | None:
    """Who wants what is current to stay; None where nobody went back, or an export was forced since."""
    try:
        found = RolledBack(**json.loads((root / _ROLLED_BACK).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    return found if found.snapshot == (root / CURRENT).resolve().name else None


def why_held(root: Path) -> str | None:
    """Why nothing should be exported into *root* now: somebody went back to an earlier snapshot; else None."""
    held = rolled_back(root)
    if held is None:
        return None
    return say("went_back", by=held.by, snapshot=held.snapshot, time=in_taipei(held.at), kind=root.name)


def holes(manifest: Mapping[str, Any]) -> str | None:
    """What there is to say of sessions that an export lacks between its first and its last; None: it lacks none."""
    count = manifest.get("sessions_not_held")
    if not count:
        return None
    what = (
        "1 session of the trading calendar in between is"
        if count == 1
        else (f"{count:,} sessions of the trading calendar in between are")
    )
    return f"{what} not held: `quantlab gaps --from {manifest['first_session']} --to {manifest['last_session']}`."


def wrong_files(snapshot: Path) -> list[str]:
    """The files whose bytes are no longer those of the manifest's SHA-256 (of a kind that has them)."""
    return [name for name, right in read_back(snapshot) if not right]


def read_back(snapshot: Path) -> Iterator[tuple[str, bool]]:
    """Each file that the manifest has a SHA-256 of, once it was read, and whether its bytes are still those."""
    for name, digest in ((manifest_of(snapshot) or {}).get("sha256") or {}).items():
        try:
            with (snapshot / name).open("rb") as file:
                right = hashlib.file_digest(file, "sha256").hexdigest() == digest
        except OSError:
            right = False
        yield name, right


def _snapshots(root: Path) -> list[Path]:
    return sorted((path for path in root.glob(f"{PREFIX}*") if path.is_dir()), reverse=True)


def _described(root: Path, path: Path) -> Snapshot:
    manifest = manifest_of(path) or {}
    current = (root / CURRENT).resolve().name == path.name
    exported_at = manifest.get("exported_at")
    names = ("source", "bars", "securities", "first_session", "last_session", "sessions_not_held", "files", "bytes")
    return Snapshot(
        kind=root.name,
        name=path.name,
        current=current,
        rolled_back_to=current and rolled_back(root) is not None,
        whole=is_whole(path),
        exported_at=datetime.fromisoformat(exported_at) if isinstance(exported_at, str) else None,
        **{name: manifest.get(name) for name in names},
    )
