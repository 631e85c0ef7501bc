"""Read a Qlib tree; shares no code with the writer, so that it can check it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import numpy as np

from app.errors import ExportError
from app.export.qlib.fields import Floats


class TreeReader:
    """One snapshot: *folder* is resolved once, so a swap of ``current`` meanwhile cannot mix two."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()

    def calendar(self) -> list[date]:
        """The sessions, in order."""
        lines = (self.folder / "calendars/day.txt").read_text(encoding="ascii").splitlines()
        return [date.fromisoformat(line) for line in lines]

    def universes(self) -> list[str]:
        """The names of the lists of instruments, ``all`` among them."""
        return sorted(path.stem for path in (self.folder / "instruments").iterdir())

    def instruments(self, universe: str = "all") -> dict[str, tuple[date, date]]:
        """Symbol → its first and last session."""
        ranges: dict[str, tuple[date, date]] = {}
        for line in (self.folder / f"instruments/{universe}.txt").read_text(encoding="ascii").splitlines():
            symbol, first, last = line.split("\t")
            ranges[symbol] = (date.fromisoformat(first), date.fromisoformat(last))
        return ranges

    def feature(self, symbol: str, field: str) -> tuple[int, Floats]:
        """The start's place in the calendar, and a value a session from there on.

        Raises:
            ExportError: the file is absent or not a row of float32 that begins with a place.
        """
        path = self._path(symbol, field)
        content = _content(path)
        if len(content) < 8 or len(content) % 4:
            raise ExportError(f"{path} has {len(content)} bytes: no start and whole float32 values.")
        numbers = np.frombuffer(content, "<f4")
        start = float(numbers[0])
        if not (start >= 0 and start.is_integer()):
            raise ExportError(f"{path} begins with {start}, which is no place in the calendar.")
        return int(start), numbers[1:]

    def contents(self, symbol: str, fields: Sequence[str]) -> list[bytes]:
        """The files of *fields*, as they are. Raises ExportError when one cannot be read."""
        return [_content(self._path(symbol, field)) for field in fields]

    def _path(self, symbol: str, field: str) -> str:
        return f"{self.folder}/features/{symbol.lower()}/{field}.day.bin"


def _content(path: str) -> bytes:
    # Text and the system's own calls: a Path and a file object each would double the time of a whole tree.
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError as error:
        raise ExportError(f"{path} cannot be read: {error.strerror}.") from error
    try:
        return os.read(descriptor, os.fstat(descriptor).st_size)
    finally:
        os.close(descriptor)
