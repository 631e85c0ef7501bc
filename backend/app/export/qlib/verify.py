"""Compare a tree that was written with what was read from the database, before anybody may see it."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from app.errors import ExportError, StaleFiles
from app.export.qlib.fields import Block
from app.export.qlib.layout import ALL, FIELDS, Instrument
from app.export.qlib.reader import TreeReader
from app.export.qlib.record import Made


def verify_lists(
    tree: TreeReader,
    calendar: Sequence[date],
    instruments: Sequence[Instrument],
    universes: Mapping[str, Sequence[str]],
) -> None:
    """Raise ExportError unless calendar, instruments and universes read back as they should be."""
    if tree.calendar() != list(calendar):
        raise ExportError(f"The calendar of {tree.folder} does not read back as it was written.")
    expected = {one.symbol: (calendar[one.first], calendar[one.last]) for one in instruments}
    lists = {ALL: expected, **{name: {one: expected[one] for one in symbols} for name, symbols in universes.items()}}
    if {name: tree.instruments(name) for name in tree.universes()} != lists:
        raise ExportError(f"The instruments of {tree.folder} do not read back as they were written.")


@dataclass(frozen=True, slots=True)
class Checked:
    """How many cells of the block hold a number, and the CRC-32 of each instrument's files (number → crc)."""

    filled: int
    crcs: Mapping[int, int]


def verify_block(
    tree: TreeReader,
    instruments: Sequence[Instrument],
    block: Block,
    *,
    numbers: Sequence[int] | None = None,
    grown: Mapping[int, Made] = MappingProxyType({}),
) -> Checked:
    """Compare every cell of the block's sessions: each bar stands where it belongs, and there is nothing else.

    Of the instruments *numbers* (None: all), which the block is about; what lies before it in the files of *grown*
    ones must still be what was once made.

    Raises:
        StaleFiles: the files of a grown instrument are not those that were made.
        ExportError: names the first wrong cell, or the file that is not what it should be.
    """
    sessions = block.sessions
    chosen = range(len(instruments)) if numbers is None else numbers
    # Those whose range begins later have no files yet; those whose range has ended must not have grown.
    begun = np.array([number for number in chosen if instruments[number].first < sessions.stop], np.int64)
    order = np.argsort(block.instruments, kind="stable")
    of_block, days = block.instruments[order], block.days[order] - sessions.start
    row_of = np.full(len(instruments), -1)
    row_of[begun] = np.arange(len(begun)) % _GROUP
    bounds = np.searchsorted(of_block, [*begun[::_GROUP], len(instruments)])
    there, wanted = np.zeros(len(FIELDS), np.int64), np.zeros(len(FIELDS), np.int64)
    crcs: dict[int, int] = {}
    for part, (first, last) in enumerate(pairwise(bounds.tolist())):
        group = begun[part * _GROUP : (part + 1) * _GROUP]
        panel = np.full((len(group), len(FIELDS), len(sessions)), np.nan, np.float32)
        for row, number in zip(panel, group.tolist(), strict=True):
            crcs[number] = _read(tree, instruments[number], sessions, grown.get(number), into=row)
        places, cells = order[first:last], (row_of[of_block[first:last]], days[first:last])
        for number, name in enumerate(FIELDS):
            found, expected = panel[cells[0], number, cells[1]], block.fields[name][places]
            wrong = ~((found == expected) | (np.isnan(found) & np.isnan(expected)))
            if wrong.any():
                at = int(np.argmax(wrong))
                symbol = instruments[of_block[first + at]].symbol
                raise ExportError(
                    f"{name} of {symbol} at place {block.days[places[at]]} of the calendar reads back as {found[at]}, "
                    f"not {expected[at]} ({int(wrong.sum())} such cells); the previous export stays."
                )
            wanted[number] += int((~np.isnan(expected)).sum())
        there += (~np.isnan(panel)).sum(axis=(0, 2))
    for name, one, other in zip(FIELDS, there.tolist(), wanted.tolist(), strict=True):
        if one != other:
            raise ExportError(
                f"{name} has {one} values in sessions {sessions.start} to {sessions.stop - 1} where the database "
                f"has {other}; the previous export stays."
            )
    return Checked(int(there.sum()), crcs)


_GROUP = 128
"""Instruments whose files are held at once: some 5 MB."""


def _read(
    tree: TreeReader, instrument: Instrument, sessions: range, made: Made | None, *, into: NDArray[np.float32]
) -> int:
    """The values of *sessions* as [fields, sessions], and the CRC-32 of the eight files."""
    contents = tree.contents(instrument.symbol, FIELDS)
    length = len(contents[0])
    whole = 4 * (1 + instrument.sessions)
    ended = sessions.stop > instrument.last
    joined = b"".join(contents)
    if len(joined) != length * len(contents) or length % 4 or length < 8 or (ended and length != whole):
        raise _odd(tree, instrument)
    files = np.frombuffer(joined, "<f4").reshape(len(contents), -1)
    if (files[:, 0] != instrument.first).any():
        raise _odd(tree, instrument)
    if made is not None and zlib.crc32(files[:, : 2 + made.last - made.first].tobytes()) != made.crc:
        raise StaleFiles(f"The files of {instrument.symbol} are no longer those that were once made: not gone on from.")
    begin, end = max(instrument.first, sessions.start), min(instrument.first + files.shape[1] - 1, sessions.stop)
    if begin < end:
        values = files[:, 1 + begin - instrument.first : 1 + end - instrument.first]
        into[:, begin - sessions.start : end - sessions.start] = values
    return zlib.crc32(joined)


def _odd(tree: TreeReader, instrument: Instrument) -> ExportError:
    """Which file of the instrument it is that cannot be so."""
    for field in FIELDS:
        start, values = tree.feature(instrument.symbol, field)
        if (start, len(values)) != (instrument.first, instrument.sessions):
            return ExportError(
                f"{field} of {instrument.symbol} has {len(values)} sessions from place {start} of the calendar, not "
                f"{instrument.sessions} from {instrument.first}; the previous export stays."
            )
    return ExportError(f"The files of {instrument.symbol} are of different lengths; the previous export stays.")
