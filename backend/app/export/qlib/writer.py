"""Write a Qlib tree block by block: many sessions of all symbols at a time, so that memory stays bounded."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.errors import ExportError
from app.export.qlib.fields import Floats, RawBars
from app.export.qlib.layout import (
    CALENDAR,
    FEATURES,
    FIELDS,
    FLOAT,
    INSTRUMENTS,
    Instrument,
    calendar_text,
    feature_folder,
    instruments_text,
)


def blocks(sessions: int, instruments: int, *, cells: int) -> Iterator[range]:
    """Cut *sessions* into ranges of at most *cells* (session, instrument) pairs, a session at least."""
    step = max(1, cells // max(1, instruments))
    for start in range(0, sessions, step):
        yield range(start, min(start + step, sessions))


class TreeWriter:
    """Writes into an empty *folder*; sessions come in order, each block once."""

    def __init__(self, folder: Path, calendar: Sequence[date], instruments: Sequence[Instrument]) -> None:
        self._folder = folder
        self._instruments = instruments
        self._first = np.array([one.first for one in instruments], np.int64)
        self._last = np.array([one.last for one in instruments], np.int64)
        self._next = 0
        for path, text in (
            (CALENDAR, calendar_text(calendar)),
            (INSTRUMENTS, instruments_text(instruments, calendar)),
        ):
            (folder / path).parent.mkdir(parents=True)
            (folder / path).write_text(text, encoding="ascii")
        (folder / FEATURES).mkdir()
        for one in instruments:
            (folder / feature_folder(one.symbol)).mkdir()

    def write(self, sessions: range, bars: RawBars, fields: Mapping[str, Floats]) -> int:
        """Append the *fields* of *bars*, all within *sessions*; returns how many files were written to."""
        if sessions.start != self._next:
            raise ExportError(f"The export expected session {self._next} of the calendar, not {sessions.start}.")
        self._next = sessions.stop
        active = np.flatnonzero((self._first < sessions.stop) & (self._last >= sessions.start))
        panel = np.full((len(active), len(FIELDS), len(sessions)), np.nan, FLOAT)
        place = np.full(len(self._instruments), -1, np.int64)
        place[active] = np.arange(len(active))
        rows, days = place[bars.instruments], bars.days - sessions.start
        for number, name in enumerate(FIELDS):
            panel[rows, number, days] = fields[name]
        for row, instrument in zip(panel, active.tolist(), strict=True):
            self._append(self._instruments[instrument], row, sessions)
        return len(active) * len(FIELDS)

    def _append(self, instrument: Instrument, row: NDArray[np.float32], sessions: range) -> None:
        begin = max(instrument.first, sessions.start)
        end = min(instrument.last + 1, sessions.stop)
        head = np.array([instrument.first], FLOAT).tobytes() if begin == instrument.first else b""
        folder = self._folder / feature_folder(instrument.symbol)
        for name, values in zip(FIELDS, row[:, begin - sessions.start : end - sessions.start], strict=True):
            _append_bytes(f"{folder}/{name}.day.bin", head + values.tobytes())


def _append_bytes(path: str, content: bytes) -> None:
    # The system's own calls: a Python file object would cost more than the write, 21,000 times.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        while content:
            content = content[os.write(descriptor, content) :]
    finally:
        os.close(descriptor)
