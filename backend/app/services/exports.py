"""What was exported: go back to an earlier snapshot, and look again whether one still is what it was."""

from __future__ import annotations

import zlib
from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from app.errors import ExportError, InvalidParameter
from app.export import shipping, snapshots
from app.export.publish import CURRENT, exclusive, is_whole, manifest_of
from app.export.qlib.layout import FIELDS
from app.export.qlib.reader import TreeReader
from app.export.qlib.record import read_record
from app.files import ObjectFiles
from app.services import export_parquet, export_qlib
from app.services.context import Context
from app.services.qlib_tree import compare
from app.services.report import Report
from app.store.engine import snapshot

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Verified:
    """A snapshot whose bytes are those that were published; with ``bars`` every bar was held against the database."""

    kind: str
    snapshot: Path
    files: int
    bars: int | None
    sentence: str


class Read(NamedTuple):
    """How many of a snapshot's files were read back."""

    done: int
    total: int


def folder_of(context: Context, kind: str) -> Path:
    """The folder of a kind of export. Raises InvalidParameter when nothing of that kind was exported."""
    exports = context.data_dir / "exports"
    kinds = sorted(path.name for path in exports.glob("*") if path.is_dir())
    if kind not in kinds:
        raise InvalidParameter(f"There is no export of the kind {kind!r}; there are {', '.join(kinds) or 'none yet'}.")
    return exports / kind


def shipped(report: Report, root: Path, address: str | None) -> Report:
    """The report of an export whose snapshot is in the bucket at *address*, too; the same where there is no address.

    Also one that found nothing new ships what an earlier one could not.

    Raises:
        ExportError: not all of it arrived; what was current in the bucket stays.
        StoreUnavailable: the storage does not answer.
    """
    if address is None or not (root / CURRENT).exists():
        return report
    name = shipping.ship(root, ObjectFiles(address))
    if name is None:
        return report
    return replace(report, details={**report.details, "shipped": f"{address}/{root.name}/{name}"})


def roll_back(context: Context, kind: str, name: str | None, *, by: str) -> Path:
    """Make the snapshot *name*, or the one before the current one, current; exports leave it so until one is forced.

    Raises:
        InvalidParameter: there is none to go back to.
        AlreadyRunning: an export is being built.
        ExportError: files of it are gone or cut.
    """
    root = folder_of(context, kind)
    with exclusive(root):
        return snapshots.roll_back(root, name, by=by, at=context.clock())


def verify(context: Context, kind: str, name: str | None) -> Verified:
    """Read a snapshot back: its checksums, and while the database holds what it was made of, every bar.

    Raises:
        InvalidParameter: there is no such snapshot.
        ExportError: names the file or the cell that is wrong.
    """
    path = _to_the_end(_read_back(context, kind, name))
    manifest = manifest_of(path) or {}
    now: str | None = None
    bars: int | None = None
    if kind == "qlib":
        with snapshot(context.engine) as connection:
            held, universes, now = export_qlib.look(connection, context.universes)
            if held.ranges and now == manifest.get("fingerprint"):
                bars = compare(connection, held, universes, path)
    elif kind == "parquet":
        with snapshot(context.engine) as connection:
            now = export_parquet.look(connection)
    if now is not None and now == manifest.get("fingerprint"):
        said = "It is what the database holds now" + (", bar by bar." if bars is not None else ".")
    else:
        said = "Its bytes are those that were verified when it was published. "
        said += f"The database has changed since: `quantlab export {kind}` exports what it holds now."
    return Verified(kind, path, manifest["files"], bars, " ".join(filter(None, (said, snapshots.holes(manifest)))))


def verify_files(context: Context, kind: str, name: str | None) -> Generator[Read, None, Verified]:
    """Read a snapshot's files back against their checksums, without the database, and tell after each how far it is.

    Raises as ``verify``; what is known before a file was read is raised before the first step.
    """
    path = yield from _read_back(context, kind, name)
    said = f"Its bytes are those that were published. `quantlab export verify {kind}` asks the database, too."
    return Verified(kind, path, (manifest_of(path) or {})["files"], None, said)


def _read_back(context: Context, kind: str, name: str | None) -> Generator[Read, None, Path]:
    """The snapshot, whose files have the checksums with which they were published. Raises as ``verify``."""
    path = snapshots.find_snapshot(folder_of(context, kind), name)
    if not is_whole(path):
        raise ExportError(f"Files of {path.name} are gone or cut: export again, or go back to another one.")
    total, done, wrong = int((manifest_of(path) or {})["files"]), 0, []
    yield Read(done, total)
    for done, (file, right) in enumerate(snapshots.read_back(path), 1):
        if not right:
            wrong.append(file)
        yield Read(done, total)
    if wrong:
        raise ExportError(f"{wrong[0]} of {path.name} is not what was published ({len(wrong)} such files).")
    if kind == "qlib":
        for more in _check_sums(path):
            yield Read(min(done + more, total), total)
    return path


def _to_the_end(steps: Generator[Any, None, T]) -> T:
    """What it comes to, whoever would have wanted to know how far it is."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            found: T = end.value
            return found


def _check_sums(path: Path) -> Iterator[int]:
    """How many files were read, after each security. Raises ExportError unless theirs have the record's checksum."""
    record = read_record(path)
    if record is None:
        raise ExportError(f"The record of {path.name} cannot be read: export again.")
    tree = TreeReader(path)
    for number, (symbol, made) in enumerate(record[1].items(), 1):
        if zlib.crc32(b"".join(tree.contents(symbol, FIELDS))) != made.crc:
            raise ExportError(f"The files of {symbol} in {path.name} are not those that were published.")
        yield number * len(FIELDS)
