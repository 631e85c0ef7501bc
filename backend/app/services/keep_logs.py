"""Keep the lines of the log files in PostgreSQL, where those of every host can be searched and followed.

A program only appends to the day's file (``core/logging.py``): that never waits and never fails with a server. Whoever
has time copies what is new, with how far it came in the same transaction: each line once, whoever is killed when, and
nothing is missed while PostgreSQL is away. See docs/adr/0010.
"""

from __future__ import annotations

import contextlib
import json
import os
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from app.errors import ConfigurationError, storable
from app.store import log_lines
from app.store.engine import Engine, transaction
from app.store.log_lines import LEVELS, LogLine

PATTERN = "quantlab-*.jsonl"
MARK = ".mark"
LONGEST = 20_000
"""Characters of a message or a traceback that are kept; the file has the whole."""
LONGEST_NAME = 255
"""Likewise of what a line is found by: an index takes no longer ones, and one such line would hold up all others."""
AT_ONCE = 1_000_000
"""Bytes of a file that one transaction takes."""
_HIGHEST_LEVEL, _HIGHEST_PID = 100, 2**31 - 1


class LogKeeper:
    """Copies what is new in *folder*; for one thread. Any number may share a folder, and any number the database."""

    def __init__(self, engine: Callable[[], Engine], folder: Path) -> None:
        self._engine = engine
        self._folder = folder
        self._seen: dict[str, int] = {}

    def keep(self) -> int:
        """Copy what is there now; how many lines it were. Cheap when nothing is new.

        Not what comes meanwhile: under load a commit for every few lines would never end.

        Raises:
            StoreUnavailable: PostgreSQL is away; the next call goes on.
            ConfigurationError: the files cannot be read.
        """
        copied = 0
        try:
            sizes = self._sizes()
            while sizes != self._seen and (lines := self._keep_some(sizes)) is not None:
                copied += lines
        except OSError as error:
            raise ConfigurationError(f"The log files in {self._folder} cannot be read: {error}.") from error
        return copied

    def _sizes(self) -> dict[str, int]:
        sizes = {}
        for path in sorted(self._folder.glob(PATTERN)):
            with contextlib.suppress(FileNotFoundError):
                sizes[path.name] = path.stat().st_size
        return sizes

    def _keep_some(self, sizes: Mapping[str, int]) -> int | None:
        """One transaction's worth; None when somebody else is at it, or all that was whole at these *sizes* is kept."""
        mark = mark_of(self._folder)
        with transaction(self._engine()) as connection:
            if not log_lines.take_turn(connection):
                return None
            known = log_lines.kept_bytes(connection, mark)
            # Asked now: a file that somebody began since the sizes were taken is not gone.
            if gone := sorted(name for name in known.keys() - sizes.keys() if not (self._folder / name).exists()):
                log_lines.forget_files(connection, mark, gone)
            for name, size in sizes.items():
                start = known.get(name, 0)
                if start > (self._folder / name).stat().st_size:  # it was replaced by a shorter one
                    start = 0
                if start >= size:
                    self._seen[name] = size
                    continue
                whole, upto = _read_whole_lines(self._folder / name, start)
                if upto == start:  # half a line: its end will come, or nothing more of this file
                    self._seen[name] = size
                    continue
                lines = [parse(line) for line in whole]
                log_lines.keep(connection, mark, name, upto=upto, lines=lines)
                return len(lines)
        self._seen = {name: size for name, size in self._seen.items() if name in sizes}
        return None


def mark_of(folder: Path) -> str:
    """The folder's own mark, made when it has none: hosts that share it share its lines, too."""
    file = folder / MARK
    there = _read_mark(file)
    if there:
        return there
    made = folder / f"{MARK}-{uuid.uuid4()}"
    with made.open("w", encoding="ascii") as new:
        new.write(str(uuid.uuid4()))
        new.flush()
        os.fsync(new.fileno())  # one that a power cut empties would be many hosts'
    if there is None:
        with contextlib.suppress(FileExistsError):
            os.link(made, file)  # whoever comes first: all read the same
        made.unlink()
    else:
        made.replace(file)
    return _read_mark(file) or mark_of(folder)


def _read_mark(file: Path) -> str | None:
    """The mark; None where there is none, empty where it is torn."""
    try:
        return str(uuid.UUID(file.read_bytes().decode("ascii").strip()))
    except FileNotFoundError:
        return None
    except ValueError:
        return ""


def _read_whole_lines(path: Path, start: int) -> tuple[list[bytes], int]:
    """The lines from byte *start* on that have their end, within bounds; and the byte after the last of them."""
    with path.open("rb") as file:
        file.seek(start)
        read = file.read(AT_ONCE)
        while read and b"\n" not in read and (more := file.read(AT_ONCE)):
            read += more
    whole, newline, _ = read.rpartition(b"\n")
    return (whole.split(b"\n"), start + len(whole) + 1) if newline else ([], start)


def parse(line: bytes) -> LogLine:
    """A line of a file; what cannot be read is kept as a warning, never dropped, and never holds up those after it."""
    try:
        said: dict[str, Any] = json.loads(line)
        return LogLine(
            at=datetime.fromisoformat(said["at"]).astimezone(UTC),
            level=_number(said["level"], _HIGHEST_LEVEL),
            host=_name(said["host"]),
            program=_name(said["program"]),
            pid=_number(said["pid"], _HIGHEST_PID),
            task=_name(said["task"]) if said.get("task") else None,
            run_id=_name(said["run_id"]) if said.get("run_id") else None,
            module=_name(said["module"]),
            message=_bounded(said["message"]),
            traceback=_bounded(said["traceback"]) if said.get("traceback") else None,
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError):
        text = _bounded(line.decode(errors="replace"))
        return LogLine(datetime.now(UTC), LEVELS["WARNING"], "", "unknown", 0, None, None, "log file", text, None)


def _number(value: object, most: int) -> int:
    if type(value) is int and 0 <= value <= most:
        return value
    raise ValueError(value)


def _name(text: str) -> str:
    return storable(text)[:LONGEST_NAME]


def _bounded(text: str) -> str:
    whole = storable(text)
    return (
        whole if len(whole) <= LONGEST else f"{whole[:LONGEST]} … {len(whole) - LONGEST:,} characters more, in the file"
    )


def newest_in_files(folder: Path, wanted: log_lines.Wanted, *, limit: int) -> Sequence[LogLine]:
    """The newest lines of this folder's own files, newest first: for when PostgreSQL cannot be asked."""
    found: list[LogLine] = []
    for path in sorted(folder.glob(PATTERN), reverse=True):
        for line in _backwards(path):
            one = parse(line)
            if _is_wanted(one, wanted):
                found.append(one)
                if len(found) == limit:
                    return found
    return found


def _backwards(path: Path) -> Iterator[bytes]:
    yield from reversed(path.read_bytes().splitlines())


def _is_wanted(line: LogLine, wanted: log_lines.Wanted) -> bool:
    if wanted.task is not None and line.task not in log_lines.names_of(wanted.task):
        return False
    exact = ("run_id", "program", "host")
    if any(getattr(wanted, name) not in (None, getattr(line, name)) for name in exact):
        return False
    if wanted.words and wanted.words.casefold() not in line.message.casefold():
        return False
    if wanted.symbol and wanted.symbol not in line.message.replace(",", " ").split():
        return False
    return (
        line.level >= (wanted.level or 0)
        and (wanted.since is None or line.at >= wanted.since)
        and (wanted.until is None or line.at <= wanted.until)
    )
