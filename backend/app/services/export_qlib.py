"""Export the held daily bars in Qlib's format: one state of the data, built aside, read back, published at once."""

from __future__ import annotations

import hashlib
import json
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from loguru import logger
from numpy.typing import NDArray

from app.errors import ExportError
from app.export.qlib.fields import RAW_FIELDS, UNADJUSTED, Block, RawBars
from app.export.qlib.layout import FIELDS, Instrument, size_of
from app.export.qlib.publish import building, exclusive, publish, read_manifest, remove_old
from app.export.qlib.reader import TreeReader
from app.export.qlib.verify import verify_block, verify_lists
from app.export.qlib.writer import TreeWriter, blocks
from app.services.context import Context, Progress
from app.services.report import Report
from app.store import provenance, sessions
from app.store.bar_columns import ABSENT, EPOCH
from app.store.bar_ranges import HeldRange, held_ranges
from app.store.bar_reads import count_by_session, read_panel
from app.store.counts import Counts
from app.store.engine import Connection, snapshot

CELLS = 2_000_000
"""(Security, session) pairs in memory at once: some 100 MB, however much is held."""

FORMAT = 1
"""Part of the fingerprint: a new one makes every export new."""

NOTES = {
    "prices": "TWD, unadjusted",
    "volume": "shares, unadjusted",
    "factor": f"{UNADJUSTED} everywhere: no adjustment is applied yet, so adjusted = raw",
    "change": "close / the venue's reference price - 1; NaN where the venue calls them not comparable (ex-dates)",
    "vwap": "turnover / volume",
    "no trade": "NaN in every field",
}


@dataclass(frozen=True)
class _Held:
    """All that is to be exported but the bars themselves, from one state of the database."""

    ranges: list[HeldRange]
    bars_by_session: Mapping[date, int]
    source: str | None
    sessions_missing: int

    @classmethod
    def read(cls, connection: Connection) -> _Held:
        ranges = held_ranges(connection, fields=RAW_FIELDS)
        by_session = count_by_session(connection)
        missing = 0
        if by_session:
            trading = sessions.trading_calendar(connection)
            missing = len(set(trading.sessions_between(min(by_session), max(by_session))) - by_session.keys())
        return cls(ranges, by_session, provenance.held_source(connection), missing)

    @cached_property
    def calendar(self) -> list[date]:
        return list(self.bars_by_session)

    @cached_property
    def bars(self) -> int:
        return sum(held.bars for held in self.ranges)

    @cached_property
    def instruments(self) -> list[Instrument]:
        place = {session: number for number, session in enumerate(self.calendar)}
        return [Instrument(held.symbol, place[held.first], place[held.last]) for held in self.ranges]

    @cached_property
    def fingerprint(self) -> str:
        """Of every value that is exported; the same data give the same, whenever and however they were written."""
        digest = hashlib.sha256(json.dumps([FORMAT, FIELDS, NOTES]).encode())
        for session in self.calendar:
            digest.update(f"{session}\n".encode())
        for held in self.ranges:
            digest.update(f"{held.symbol} {held.first} {held.last} {held.bars} {held.digest}\n".encode())
        return digest.hexdigest()

    def details(self) -> dict[str, Any]:
        return {
            "counted_in": "bars",
            "securities": len(self.ranges),
            "sessions": len(self.calendar),
            "first_session": str(self.calendar[0]),
            "last_session": str(self.calendar[-1]),
            "sessions_not_held": self.sessions_missing,
        }


def export_qlib(context: Context, *, keep: int) -> Report:
    """Bring ``<data_dir>/exports/qlib/current`` to what the database holds; *keep* snapshots stay.

    Nothing to export, or nothing new: SKIPPED, and what is published stays as it is.

    Raises:
        ExportError: it could not be written, or did not read back as what the database holds; the previous one stays.
        AlreadyRunning: another process builds one (SKIPPED in a task).
        StoreUnavailable: PostgreSQL does not answer.
    """
    root = context.data_dir / "exports" / "qlib"
    began = time.monotonic()
    context.progress(0, 1, "looking at what is held")
    with exclusive(root), snapshot(context.engine) as connection:
        held = _Held.read(connection)
        if not held.ranges:
            return Report("SKIPPED", "There are no daily bars to export yet: run app.tasks.sync_daily_prices first.")
        details = {**held.details(), "path": str(root / "current")}
        previous = read_manifest(root)
        if previous and previous.get("fingerprint") == held.fingerprint:
            counts = Counts(expected=held.bars, fetched=0, stored=0, unchanged=held.bars)
            reason = f"Nothing has changed since the export of {previous.get('exported_at')}."
            return Report("SKIPPED", reason, counts, details)
        name = context.run_id or uuid.uuid4().hex
        with building(root, name, size=size_of(held.instruments)) as folder:
            _build(connection, held, folder, progress=context.progress)
            with context.writing():  # an attempt that lost its lease publishes nothing
                published = publish(root, folder, _manifest(context, held), at=context.clock())
        removed = remove_old(root, keep=keep)
    seconds = round(time.monotonic() - began, 2)
    logger.info("Exported {:,} bars of {:,} securities to {} in {} s", held.bars, len(held.ranges), published, seconds)
    counts = Counts(expected=held.bars, fetched=held.bars, stored=held.bars)
    details |= {"snapshot": published.name, "snapshots_removed": removed, "seconds": seconds}
    return Report("SUCCESS", None, counts, details)


def _build(connection: Connection, held: _Held, folder: Path, *, progress: Progress) -> None:
    """Write the tree, and compare every block of it with the bars that it came from."""
    writer = TreeWriter(folder, held.calendar, held.instruments)
    tree = TreeReader(folder)
    verify_lists(tree, held.calendar, held.instruments)
    done = 0
    for span in blocks(len(held.calendar), len(held.ranges), cells=CELLS):
        progress(done, held.bars, f"sessions from {held.calendar[span.start]}")
        block = _read(connection, held, span)
        writer.write(block)
        verify_block(tree, held.instruments, block)
        done += len(block)
    if done != held.bars:
        raise ExportError(f"The database counts {held.bars} bars and {done} were read; the previous export stays.")
    progress(done, held.bars, "publishing")


def _read(connection: Connection, held: _Held, span: range) -> Block:
    """All bars of the sessions at the places *span* of the calendar."""
    days = held.calendar[span.start : span.stop]
    block = Block.empty(span, sum(held.bars_by_session[day] for day in days))
    numbers = np.array([day.toordinal() - EPOCH for day in held.calendar], np.int64)
    ids = np.array([one.id for one in held.ranges], np.int64)
    order = np.argsort(ids)
    filled = 0
    for part in read_panel(connection, start=days[0], end=days[-1], fields=RAW_FIELDS):
        instruments = order[_places(ids[order], part.ids)]
        filled = block.fill(filled, RawBars(instruments, _places(numbers, part.sessions), part.values, ABSENT))
    if filled != len(block):
        raise ExportError(f"The database counts {len(block)} bars from {days[0]} to {days[-1]} and gave {filled}.")
    return block


def _places(known: NDArray[np.int64], wanted: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where each of *wanted* stands in the sorted *known*."""
    places = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
    if (known[places] != wanted).any():
        raise ExportError(
            "A bar belongs to no security or session that the database counts; the previous export stays."
        )
    return places


def _manifest(context: Context, held: _Held) -> Mapping[str, Any]:
    return {
        "fingerprint": held.fingerprint,
        "exported_at": context.clock().isoformat(timespec="seconds"),
        "source": held.source,
        "region": "REG_TW",
        "bars": held.bars,
        **held.details(),
        "fields": list(FIELDS),
        "notes": NOTES,
    }
