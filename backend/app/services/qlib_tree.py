"""Build a Qlib tree from what is held: all of it, or on top of the files of an earlier snapshot what they lack."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.errors import ExportError
from app.export.qlib.fields import RAW_FIELDS, Block, RawBars
from app.export.qlib.reader import TreeReader
from app.export.qlib.record import Made, read_record, write_record
from app.export.qlib.verify import verify_block, verify_lists
from app.export.qlib.writer import TreeWriter, blocks
from app.market.bar import ABSENT
from app.market.sayings import say
from app.services.held_panel import HeldPanel
from app.store.bar_columns import EPOCH
from app.store.bar_ranges import HeldRange, held_ranges
from app.store.bar_reads import read_panel
from app.store.engine import Connection

CELLS = 2_000_000
"""(Security, session) pairs in memory at once: some 100 MB, however much is held."""
MOST_ANEW = 0.25
"""The largest share of securities that are read anew one by one; above it the whole panel is read, which is faster."""

Universes = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Plan:
    """What a folder has already: the sessions before the place *cut*, of all but the instruments *anew*."""

    cut: int
    anew: Sequence[int]
    grown: Mapping[int, Made]
    bars: int
    """How many are to be read."""


def plan(connection: Connection, held: HeldPanel, folder: Path, form: str) -> Plan:
    """How to make *folder*, empty or an earlier tree, what is *held* now.

    What it has of a security stays when it was made from these very bars and factors: the digest of all bars now,
    less that of the bars since, is the digest of then.
    """
    everything = Plan(0, (), {}, held.bars)
    record = read_record(folder)
    if record is None or record[0] != form:
        return everything
    calendar = TreeReader(folder).calendar()
    cut = len(calendar)
    if not cut or held.calendar[:cut] != calendar or not record[1].keys() <= {one.symbol for one in held.ranges}:
        return everything
    since = {one.id: one for one in held_ranges(connection, fields=RAW_FIELDS, after=calendar[-1])}
    grown, anew, bars = {}, [], 0
    for number, (one, instrument) in enumerate(zip(held.ranges, held.instruments, strict=True)):
        new, made = since.get(one.id), record[1].get(one.symbol)
        bars += new.bars if new else 0
        if instrument.first >= cut:
            continue
        if made and _stands(made, one, new, factors=held.steps[one.id], cut=cut):
            grown[number] = made
        else:
            anew.append(number)
            bars += one.bars - (new.bars if new else 0)
    return everything if len(anew) > MOST_ANEW * len(held.ranges) else Plan(cut, anew, grown, bars)


def _stands(made: Made, held: HeldRange, new: HeldRange | None, *, factors: str, cut: int) -> bool:
    """Whether files are made of what is held up to the cut, and end where the next session goes."""
    bars, digest = (new.bars, new.digest) if new else (0, 0)
    goes_on = made.last == cut - 1 or new is None
    return goes_on and (made.bars, made.digest, made.factors) == (held.bars - bars, held.digest ^ digest, factors)


def build(
    connection: Connection,
    held: HeldPanel,
    universes: Universes,
    folder: Path,
    *,
    form: str,
    progress: Callable[[int, int, str], None],
) -> int:
    """Write the tree, compare every block of it with the bars that it came from; returns how many bars were read.

    Raises:
        StaleFiles: the folder's earlier files are not those that its record tells of.
        ExportError: what was written does not read back as what was read.
    """
    todo = plan(connection, held, folder, form)
    begin = 0 if todo.anew else todo.cut
    tree, writer = TreeReader(folder), TreeWriter(folder, held.calendar, held.instruments, universes, begin=begin)
    verify_lists(tree, held.calendar, held.instruments, universes)
    done, count = 0, len(held.calendar)
    crcs: dict[int, int] = {}
    spans: list[tuple[range, Sequence[int] | None]] = [
        (span, todo.anew) for span in blocks(range(begin, todo.cut), len(todo.anew), cells=CELLS)
    ]
    spans += [(span, None) for span in blocks(range(todo.cut, count), len(held.ranges), cells=CELLS)]
    # With nothing new at all the files are still read back once, for their checksums.
    for span, numbers in spans if todo.cut < count else [*spans, (range(count, count), None)]:
        progress(done, todo.bars, say("sessions_from", day=held.calendar[min(span.start, count - 1)]))
        block = _read(connection, held, span, numbers)
        writer.write(block, numbers)
        grown = todo.grown if numbers is None else {}
        crcs |= verify_block(tree, held.instruments, block, numbers=numbers, grown=grown).crcs
        done += len(block)
    if done != todo.bars:
        raise ExportError(f"The database counts {todo.bars} bars and {done} were read; the previous export stays.")
    made = {
        one.symbol: Made(place.first, place.last, one.bars, one.digest, held.steps[one.id], crcs[number])
        for number, (one, place) in enumerate(zip(held.ranges, held.instruments, strict=True))
    }
    write_record(folder, form, made)
    return done


def compare(connection: Connection, held: HeldPanel, universes: Universes, folder: Path) -> int:
    """Compare a finished tree with what is *held*, bar by bar; returns how many. Raises ExportError on a difference."""
    tree = TreeReader(folder)
    verify_lists(tree, held.calendar, held.instruments, universes)
    bars = 0
    for span in blocks(range(len(held.calendar)), len(held.ranges), cells=CELLS):
        block = _read(connection, held, span, None)
        verify_block(tree, held.instruments, block)
        bars += len(block)
    return bars


def _read(connection: Connection, held: HeldPanel, span: range, numbers: Sequence[int] | None) -> Block:
    """The bars of the sessions at the places *span* of the calendar, of the instruments *numbers* (None: all)."""
    days = held.calendar[span.start : span.stop]
    if not days:
        return Block.empty(span, 0)
    symbols = None if numbers is None else [held.ranges[number].symbol for number in numbers]
    block = Block.empty(span, len(days) * (len(held.ranges) if symbols is None else len(symbols)))
    place_of = _places([day.toordinal() - days[0].toordinal() for day in days])
    instrument_of = _places([one.id for one in held.ranges])
    filled = 0
    for part in read_panel(connection, start=days[0], end=days[-1], symbols=symbols, fields=RAW_FIELDS):
        instruments = instrument_of[np.minimum(part.ids, len(instrument_of) - 1)]
        places = place_of[part.sessions + EPOCH - days[0].toordinal()]
        if part.ids.max() >= len(instrument_of) or instruments.min() < 0 or places.min() < 0:
            raise ExportError("A bar is of a security or session that is not counted; the previous export stays.")
        factors = held.factors.factors_at(part.ids, part.sessions + EPOCH)
        raw = RawBars(instruments, places + span.start, part.values, ABSENT, factors)
        filled = block.fill(filled, raw)
    return block.first(filled)


def _places(known: Sequence[int]) -> NDArray[np.int64]:
    """Where each number stands in *known*, as an array to look it up in: many times faster than to search. Else -1."""
    places = np.full(max(known) + 1, -1)
    places[list(known)] = np.arange(len(known))
    return places
