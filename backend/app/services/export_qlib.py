"""Export the held daily bars in Qlib's format: one state of the data, built aside, read back, published at once."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from loguru import logger

from app.errors import StaleFiles
from app.export.publish import CURRENT, building, is_whole, manifest_of, publish, remove_old
from app.export.qlib.layout import FIELDS, size_of
from app.export.snapshots import holes, why_held
from app.market.adjustment import Adjustment, Direction, Method
from app.market.sayings import say
from app.services.alone import alone
from app.services.context import Context
from app.services.export_reports import nothing_held, unchanged
from app.services.held_panel import HeldPanel
from app.services.named_universes import named_universes
from app.services.qlib_tree import Universes, build
from app.services.report import Report
from app.store.counts import Counts
from app.store.engine import Connection, snapshot

FORMAT = 3
"""Part of the fingerprint: a new one makes every export new."""

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


def look(connection: Connection, named: Universes) -> tuple[HeldPanel, Universes, str]:
    """What is held, its universes, and the fingerprint of what would be exported of it."""
    held = HeldPanel.read(connection, ADJUSTMENT)
    universes = named_universes(connection, named, held=[one.symbol for one in held.ranges])
    return held, universes, held.fingerprint(FORMAT, FIELDS, NOTES, universes)


def export_qlib(context: Context, *, keep: int, force: bool = False) -> Report:
    """Bring ``<data_dir>/exports/qlib/current`` to what the database holds; *keep* snapshots stay.

    Nothing to export, nothing new, or somebody went back to an earlier snapshot: SKIPPED, and what is published stays
    as it is. With *force* the last two do not count.

    Raises:
        ExportError: it could not be written, or did not read back as what the database holds; the previous one stays.
        AlreadyRunning: another process builds one (SKIPPED in a task).
        StoreUnavailable: PostgreSQL does not answer.
    """
    root = context.data_dir / "exports" / "qlib"
    began = time.monotonic()
    context.progress(0, 1, say("export_looks"))
    with alone(context, root), snapshot(context.engine) as connection:
        if not force and (reason := why_held(root)):
            return Report("SKIPPED", reason)
        held, universes, fingerprint = look(connection, context.universes)
        if not held.ranges:
            return nothing_held()
        details = {**held.details(), "path": str(root / "current")}
        previous = manifest_of(root / CURRENT)
        same = previous is not None and previous.get("fingerprint") == fingerprint
        if previous and same and not force and is_whole((root / CURRENT).resolve()):
            return unchanged(held.bars, previous, details)
        try:
            published, read = _build(context, connection, held, universes, fingerprint, reuse=True)
        except StaleFiles as stale:
            logger.warning("{} All is written anew", stale)
            published, read = _build(context, connection, held, universes, fingerprint, reuse=False)
        removed = remove_old(root, keep=keep, spare=True)
    seconds = round(time.monotonic() - began, 2)
    logger.info("Exported {:,} bars of {:,} securities to {} in {} s", held.bars, len(held.ranges), published, seconds)
    counts = Counts(expected=held.bars, fetched=read, stored=read, unchanged=held.bars - read or None)
    details |= {"snapshot": published.name, "snapshots_removed": removed, "seconds": seconds}
    return Report("SUCCESS", holes(details), counts, details)


def _build(
    context: Context, connection: Connection, held: HeldPanel, universes: Universes, fingerprint: str, *, reuse: bool
) -> tuple[Path, int]:
    """Build the tree and publish it; with *reuse* over the files of a snapshot that is no longer kept.

    Returns where it is, and how many bars were read.
    """
    root = context.data_dir / "exports" / "qlib"
    form = json.dumps([FORMAT, FIELDS, NOTES])
    with building(root, context.run_id or uuid.uuid4().hex, size=size_of(held.instruments), reuse=reuse) as folder:
        read = build(connection, held, universes, folder, form=form, progress=context.progress)
        context.progress(read, read, say("export_publishes"))
        manifest = _manifest(context, held, universes, fingerprint)
        with context.writing():  # an attempt that lost its lease publishes nothing
            return publish(root, folder, manifest, at=context.clock()), read


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
