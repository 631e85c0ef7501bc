"""Write a Qlib tree block by block: many sessions of all symbols at a time, so that memory stays bounded."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.errors import ExportError
from app.export.qlib.fields import Block
from app.export.qlib.layout import (
    ALL,
    CALENDAR,
    FEATURES,
    FIELDS,
    FLOAT,
    Instrument,
    calendar_text,
    feature_folder,
    instruments_file,
    instruments_text,
)


def blocks(sessions: int, instruments: int, *, cells: int) -> Iterator[range]:
    """Cut *sessions* into ranges of at most *cells* (session, instrument) pairs, a session at least."""
    step = max(1, cells // max(1, instruments))
    for start in range(0, sessions, step):
        yield range(start, min(start + step, sessions))


class TreeWriter:
    """Writes into an empty *folder*; sessions come in order, each block once."""

    def __init__(
        self,
        folder: Path,
        calendar: Sequence[date],
        instruments: Sequence[Instrument],
        universes: Mapping[str, Sequence[str]],
    ) -> None:
        self._instruments = instruments
        self._folders = [str(folder / feature_folder(one.symbol)) for one in instruments]
        self._next = 0
        by_symbol = {one.symbol: one for one in instruments}
        lists = {ALL: instruments} | {name: [by_symbol[one] for one in symbols] for name, symbols in universes.items()}
        texts = {instruments_file(name): instruments_text(members, calendar) for name, members in lists.items()}
        for path, text in {CALENDAR: calendar_text(calendar), **texts}.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, encoding="ascii")
        (folder / FEATURES).mkdir()
        for feature in self._folders:
            os.mkdir(feature)  # noqa: PTH102 - a Path each would double the time

    def write(self, block: Block) -> None:
        """Append the *block*: all files of a folder one after the other, which a disk does twice as fast."""
        sessions = block.sessions
        if sessions.start != self._next:
            raise ExportError(f"The export expected session {self._next} of the calendar, not {sessions.start}.")
        self._next = sessions.stop
        by_instrument = np.argsort(block.instruments, kind="stable")
        instruments, days = block.instruments[by_instrument], block.days[by_instrument] - sessions.start
        for start in range(0, len(self._instruments), _GROUP):
            group = self._instruments[start : start + _GROUP]
            first, last = np.searchsorted(instruments, [start, start + len(group)])
            panel = np.full((len(group), len(FIELDS), len(sessions)), np.nan, FLOAT)
            rows = instruments[first:last] - start
            for number, name in enumerate(FIELDS):
                panel[rows, number, days[first:last]] = block.fields[name][by_instrument[first:last]]
            for folder, instrument, values in zip(self._folders[start:], group, panel, strict=False):
                _append(folder, instrument, values, sessions)


_GROUP = 128
"""Instruments whose eight fields are laid out at once: some 5 MB."""


def _append(folder: str, instrument: Instrument, values: NDArray[np.float32], sessions: range) -> None:
    begin, end = max(instrument.first, sessions.start), min(instrument.last + 1, sessions.stop)
    if begin >= end:
        return
    head = np.array([instrument.first], FLOAT).tobytes() if begin == instrument.first else b""
    for name, row in zip(FIELDS, values[:, begin - sessions.start : end - sessions.start], strict=True):
        _append_bytes(f"{folder}/{name}.day.bin", head + row.tobytes())


def _append_bytes(path: str, content: bytes) -> None:
    # The system's own calls: a Python file object would cost more than the write, 21,000 times.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        while content:
            content = content[os.write(descriptor, content) :]
    finally:
        os.close(descriptor)
