"""Compare a tree that was written with what was read from the database, before anybody may see it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

import numpy as np

from app.errors import ExportError
from app.export.qlib.fields import Block
from app.export.qlib.layout import ALL, FIELDS, Instrument
from app.export.qlib.reader import TreeReader


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


def verify_block(tree: TreeReader, instruments: Sequence[Instrument], block: Block) -> int:
    """Compare every cell of the block's sessions: each bar stands where it belongs, and there is nothing else.

    Returns the number of cells that hold a number. Raises ExportError that names the first wrong cell.
    """
    sessions = block.sessions
    # Those whose range begins later have no files yet; those whose range has ended must not have grown.
    begun = [number for number, one in enumerate(instruments) if one.first < sessions.stop]
    symbols = [instruments[number].symbol for number in begun]
    row = np.full(len(instruments), -1)
    row[begun] = np.arange(len(begun))
    filled = 0
    for name in FIELDS:
        panel = tree.panel(symbols, name, sessions)
        found, expected = panel[row[block.instruments], block.days - sessions.start], block.fields[name]
        wrong = ~((found == expected) | (np.isnan(found) & np.isnan(expected)))
        if wrong.any():
            at = int(np.argmax(wrong))
            symbol = instruments[block.instruments[at]].symbol
            raise ExportError(
                f"{name} of {symbol} at place {block.days[at]} of the calendar reads back as {found[at]}, not "
                f"{expected[at]} ({int(wrong.sum())} such cells); the previous export stays."
            )
        there, wanted = int((~np.isnan(panel)).sum()), int((~np.isnan(expected)).sum())
        if there != wanted:
            raise ExportError(
                f"{name} has {there} values in sessions {sessions.start} to {sessions.stop - 1} where the database "
                f"has {wanted}; the previous export stays."
            )
        filled += there
    return filled
