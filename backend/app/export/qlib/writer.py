"""Write a Qlib tree block by block: many sessions of all symbols at a time, so that memory stays bounded."""

from __future__ import annotations

import os
import shutil
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
    FLOAT_BYTES,
    INSTRUMENTS,
    Instrument,
    calendar_text,
    feature_folder,
    instruments_file,
    instruments_text,
)


def blocks(sessions: range, instruments: int, *, cells: int) -> Iterator[range]:
    """Cut *sessions* into ranges of at most *cells* (session, instrument) pairs, a session at least."""
    step = max(1, cells // max(1, instruments))
    for start in range(sessions.start, sessions.stop, step):
        yield range(start, min(start + step, sessions.stop))


class TreeWriter:
    """Writes into *folder*: an empty one, or an earlier tree, whose files it overwrites in place.

    Files that stay cost a fraction of new ones: no name and no space has to be found for them. Sessions come in
    order; those before *begin* are in the files already, of all instruments but those that are written anew.
    """

    def __init__(
        self,
        folder: Path,
        calendar: Sequence[date],
        instruments: Sequence[Instrument],
        universes: Mapping[str, Sequence[str]],
        *,
        begin: int = 0,
    ) -> None:
        self._instruments = instruments
        self._folders = [str(folder / feature_folder(one.symbol)) for one in instruments]
        self._next = begin
        by_symbol = {one.symbol: one for one in instruments}
        lists = {ALL: instruments} | {name: [by_symbol[one] for one in symbols] for name, symbols in universes.items()}
        texts = {instruments_file(name): instruments_text(members, calendar) for name, members in lists.items()}
        shutil.rmtree(folder / INSTRUMENTS, ignore_errors=True)
        for path, text in {CALENDAR: calendar_text(calendar), **texts}.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, encoding="ascii")
        (folder / FEATURES).mkdir(exist_ok=True)
        there = set(os.listdir(folder / FEATURES))  # noqa: PTH208 - a Path each would double the time
        wanted = {one.symbol.lower() for one in instruments}
        for name in there - wanted:
            shutil.rmtree(folder / FEATURES / name)
        for name in wanted - there:
            os.mkdir(f"{folder / FEATURES}/{name}")  # noqa: PTH102

    def write(self, block: Block, numbers: Sequence[int] | None = None) -> None:
        """Write the *block*, which is about the instruments *numbers* (sorted; None: all).

        All files of a folder one after the other, which a disk does twice as fast.
        """
        sessions = block.sessions
        if sessions.start != self._next:
            raise ExportError(f"The export expected session {self._next} of the calendar, not {sessions.start}.")
        self._next = sessions.stop
        chosen = np.arange(len(self._instruments)) if numbers is None else np.array(numbers, np.int64)
        by_instrument = np.argsort(block.instruments, kind="stable")
        instruments, days = block.instruments[by_instrument], block.days[by_instrument] - sessions.start
        row_of = np.full(len(self._instruments), -1)
        row_of[chosen] = np.arange(len(chosen)) % _GROUP
        for start in range(0, len(chosen), _GROUP):
            group = chosen[start : start + _GROUP]
            first, last = np.searchsorted(instruments, [group[0], group[-1] + 1])
            panel = np.full((len(group), len(FIELDS), len(sessions)), np.nan, FLOAT)
            rows = row_of[instruments[first:last]]
            for number, name in enumerate(FIELDS):
                panel[rows, number, days[first:last]] = block.fields[name][by_instrument[first:last]]
            for number, values in zip(group.tolist(), panel, strict=True):
                _put(self._folders[number], self._instruments[number], values, sessions)


_GROUP = 128
"""Instruments whose eight fields are laid out at once: some 5 MB."""


def _put(folder: str, instrument: Instrument, values: NDArray[np.float32], sessions: range) -> None:
    begin, end = max(instrument.first, sessions.start), min(instrument.last + 1, sessions.stop)
    if begin >= end:
        return
    head = np.array([instrument.first], FLOAT).tobytes() if begin == instrument.first else b""
    offset = 0 if head else FLOAT_BYTES * (1 + begin - instrument.first)
    size = FLOAT_BYTES * (1 + instrument.sessions) if end > instrument.last else None
    for name, row in zip(FIELDS, values[:, begin - sessions.start : end - sessions.start], strict=True):
        _write_at(f"{folder}/{name}.day.bin", head + row.tobytes(), offset, size=size)


def _write_at(path: str, content: bytes, offset: int, *, size: int | None) -> None:
    """Put *content* at *offset*; with *size*, cut off what an earlier tree had beyond it."""
    # The system's own calls: a Python file object would cost more than the write, 21,000 times.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o644)
    try:
        while content:
            written = os.pwrite(descriptor, content, offset)
            content, offset = content[written:], offset + written
        if size is not None and os.fstat(descriptor).st_size != size:
            os.ftruncate(descriptor, size)
    finally:
        os.close(descriptor)
