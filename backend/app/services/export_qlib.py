"""Export the held daily bars in Qlib's format: one state of the data, built aside, read back, published at once."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from loguru import logger
from numpy.typing import NDArray

from app.errors import ExportError
from app.export.publish import building, publish, read_manifest, remove_old
from app.export.qlib.fields import RAW_FIELDS, Block, RawBars
from app.export.qlib.layout import FIELDS, size_of
from app.export.qlib.reader import TreeReader
from app.export.qlib.verify import verify_block, verify_lists
from app.export.qlib.writer import TreeWriter, blocks
from app.market.adjustment import Adjustment, Direction, Method
from app.services.alone import alone
from app.services.context import Context, Progress
from app.services.held_panel import HeldPanel
from app.services.named_universes import named_universes
from app.services.report import Report
from app.store.bar_columns import ABSENT, EPOCH
from app.store.bar_reads import read_panel
from app.store.counts import Counts
from app.store.engine import Connection, snapshot

CELLS = 2_000_000
"""(Security, session) pairs in memory at once: some 100 MB, however much is held."""

FORMAT = 3
"""Part of the fingerprint: a new one makes every export new."""

Universes = Mapping[str, Sequence[str]]

ADJUSTMENT = Adjustment(Direction.BACK, Method.TOTAL_RETURN)

NOTES = {
    "adjustment": f"{ADJUSTMENT.direction}, {ADJUSTMENT.method}: by the exchanges' reference prices; the newest is raw",
    "prices": "TWD, adjusted: raw x factor",
    "volume": "shares, adjusted: raw / factor",
    "factor": "raw = adjusted price / factor; exact to the seven digits of float32",
    "change": "close / the venue's reference price - 1; NaN where the venue calls them not comparable (ex-dates)",
    "vwap": "turnover / volume, adjusted",
    "no trade": "NaN in every field",
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
    with alone(context, root), snapshot(context.engine) as connection:
        held = HeldPanel.read(connection, ADJUSTMENT)
        if not held.ranges:
            return Report("SKIPPED", "There are no daily bars to export yet: run app.tasks.sync_daily_prices first.")
        universes = named_universes(connection, context.universes, held=[one.symbol for one in held.ranges])
        details = {**held.details(), "path": str(root / "current")}
        previous = read_manifest(root)
        fingerprint = held.fingerprint(FORMAT, FIELDS, NOTES, universes)
        if previous and previous.get("fingerprint") == fingerprint:
            counts = Counts(expected=held.bars, fetched=0, stored=0, unchanged=held.bars)
            reason = f"Nothing has changed since the export of {previous.get('exported_at')}."
            return Report("SKIPPED", reason, counts, details)
        name = context.run_id or uuid.uuid4().hex
        with building(root, name, size=size_of(held.instruments)) as folder:
            _build(connection, held, universes, folder, progress=context.progress)
            manifest = _manifest(context, held, universes, fingerprint)
            with context.writing():  # an attempt that lost its lease publishes nothing
                published = publish(root, folder, manifest, at=context.clock())
        removed = remove_old(root, keep=keep)
    seconds = round(time.monotonic() - began, 2)
    logger.info("Exported {:,} bars of {:,} securities to {} in {} s", held.bars, len(held.ranges), published, seconds)
    counts = Counts(expected=held.bars, fetched=held.bars, stored=held.bars)
    details |= {"snapshot": published.name, "snapshots_removed": removed, "seconds": seconds}
    return Report("SUCCESS", None, counts, details)


def _build(connection: Connection, held: HeldPanel, universes: Universes, folder: Path, *, progress: Progress) -> None:
    """Write the tree, and compare every block of it with the bars that it came from."""
    writer = TreeWriter(folder, held.calendar, held.instruments, universes)
    tree = TreeReader(folder)
    verify_lists(tree, held.calendar, held.instruments, universes)
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


def _read(connection: Connection, held: HeldPanel, span: range) -> Block:
    """All bars of the sessions at the places *span* of the calendar."""
    days = held.calendar[span.start : span.stop]
    block = Block.empty(span, sum(held.bars_by_session[day] for day in days))
    numbers = np.array([day.toordinal() - EPOCH for day in held.calendar], np.int64)
    ids = np.array([one.id for one in held.ranges], np.int64)
    order = np.argsort(ids)
    filled = 0
    for part in read_panel(connection, start=days[0], end=days[-1], fields=RAW_FIELDS):
        instruments = order[_places(ids[order], part.ids)]
        factors = held.factors.factors_at(part.ids, part.sessions + EPOCH)
        raw = RawBars(instruments, _places(numbers, part.sessions), part.values, ABSENT, factors)
        filled = block.fill(filled, raw)
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


def _manifest(context: Context, held: HeldPanel, universes: Universes, fingerprint: str) -> Mapping[str, Any]:
    return {
        "fingerprint": fingerprint,
        "exported_at": context.clock().isoformat(timespec="seconds"),
        "source": held.source,
        "region": "REG_TW",
        "bars": held.bars,
        **held.details(),
        "fields": list(FIELDS),
        "universes": {"all": len(held.ranges), **{name: len(symbols) for name, symbols in universes.items()}},
        "notes": NOTES,
    }
