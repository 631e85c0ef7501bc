"""Export what is held as Parquet files: one state of the data, built aside, read back, published at once."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from loguru import logger

from app.errors import ExportError
from app.export import parquet
from app.export.bar_frame import as_numbers, bar_frame
from app.export.factor_panel import FactorPanel, factor_panel
from app.export.publish import building, publish, read_manifest, remove_old
from app.export.snapshots import holes, why_held
from app.market.adjustment import Adjustment, Direction, Method, factors_of
from app.market.bar import ABSENT, BAR_FIELDS
from app.market.sayings import say
from app.services.alone import alone
from app.services.context import Context, Progress
from app.services.export_reports import nothing_held, unchanged
from app.services.export_tables import Tables
from app.services.held_panel import HeldPanel
from app.services.report import Report
from app.store.bar_columns import EPOCH, joined
from app.store.bar_ranges import totals
from app.store.bar_reads import count_by_session, read_panel
from app.store.corporate_actions import actions_by_security
from app.store.counts import Counts
from app.store.engine import Connection, snapshot

FORMAT = 1
"""Part of the fingerprint: a new one makes every export new."""

BYTES_PER_BAR = 50
"""More than one takes on disk, compressed."""

TOTAL_RETURN = Adjustment(Direction.BACK, Method.TOTAL_RETURN)
SPLIT_ONLY = Adjustment(Direction.BACK, Method.SPLIT_ONLY)


def look(connection: Connection) -> str | None:
    """The fingerprint of what would be exported now; None where no bars are held."""
    held = HeldPanel.read(connection, TOTAL_RETURN, fields=BAR_FIELDS)
    return _fingerprint(held, Tables.read(connection, held)) if held.ranges else None


def _fingerprint(held: HeldPanel, tables: Tables) -> str:
    return held.fingerprint(FORMAT, list(parquet.BAR_SCHEMA), parquet.NOTES, tables.digest())


def export_parquet(context: Context, *, keep: int, force: bool = False) -> Report:
    """Bring ``<data_dir>/exports/parquet/current`` to what the database holds; *keep* snapshots stay.

    Nothing to export, nothing new, or somebody went back to an earlier snapshot: SKIPPED, and what is published stays
    as it is. With *force* the last two do not count.

    Raises:
        ExportError: it could not be written, or did not read back as what the database holds; the previous one stays.
        AlreadyRunning: another process builds one (SKIPPED in a task).
        StoreUnavailable: PostgreSQL does not answer.
    """
    root = context.data_dir / "exports" / "parquet"
    began = time.monotonic()
    context.progress(0, 1, say("export_looks"))
    with alone(context, root), snapshot(context.engine) as connection:
        if not force and (reason := why_held(root)):
            return Report("SKIPPED", reason)
        held = HeldPanel.read(connection, TOTAL_RETURN, fields=BAR_FIELDS)
        if not held.ranges:
            return nothing_held()
        tables = Tables.read(connection, held)
        details = {**held.details(), "path": str(root / "current")}
        previous = read_manifest(root)
        fingerprint = _fingerprint(held, tables)
        if previous and previous.get("fingerprint") == fingerprint and not force:
            return unchanged(held.bars, previous, details)
        name = context.run_id or uuid.uuid4().hex
        with building(root, name, size=held.bars * BYTES_PER_BAR) as folder:
            _build(connection, held, tables, folder, progress=context.progress)
            manifest = _manifest(context, held, folder, fingerprint)
            with context.writing():  # an attempt that lost its lease publishes nothing
                published = publish(root, folder, manifest, at=context.clock())
        removed = remove_old(root, keep=keep)
    seconds = round(time.monotonic() - began, 2)
    logger.info("Exported {:,} bars of {:,} securities to {} in {} s", held.bars, len(held.ranges), published, seconds)
    counts = Counts(expected=held.bars, fetched=held.bars, stored=held.bars)
    details |= {"snapshot": published.name, "snapshots_removed": removed, "seconds": seconds}
    return Report("SUCCESS", holes(details), counts, details)


def _build(connection: Connection, held: HeldPanel, tables: Tables, folder: Path, *, progress: Progress) -> None:
    """Write every file, a year at a time, and compare it with the database."""
    for name, frame in tables.frames().items():
        parquet.write(folder, name, frame)
    actions = actions_by_security(connection)
    split_only = factor_panel(
        {one.id: factors_of(actions.get(one.id, ()), SPLIT_ONLY, first=one.first, last=one.last) for one in held.ranges}
    )
    done, by_session = 0, count_by_session(connection)
    for year in range(held.calendar[0].year, held.calendar[-1].year + 1):
        bars = sum(count for session, count in by_session.items() if session.year == year)
        if bars:
            progress(done, held.bars, say("bars_of", year=year))
            _write_year(connection, held, split_only, folder, year=year, bars=bars)
            done += bars
    if done != held.bars:
        raise ExportError(f"The database counts {held.bars} bars and {done} were read; the previous export stays.")
    progress(done, held.bars, say("export_publishes"))


def _write_year(
    connection: Connection, held: HeldPanel, split_only: FactorPanel, folder: Path, *, year: int, bars: int
) -> None:
    """A function of its own, so that one year's bars are gone before the next one's are read."""
    first, last = date(year, 1, 1), date(year, 12, 31)
    frame = _bars_of(connection, held, split_only, first, last)
    if frame.height != bars:
        raise ExportError(f"The database counts {bars} bars of {year} and gave {frame.height}.")
    parquet.write(folder, parquet.bars_file(year), frame)
    found, expected = parquet.totals(folder, year), totals(connection, start=first, end=last, fields=BAR_FIELDS)
    if found != expected:
        wrong = next(name for name in expected if found[name] != expected[name])
        raise ExportError(
            f"{wrong} of {year} has {found[wrong][0]} values with the sum {found[wrong][1]} in the file, and "
            f"{expected[wrong][0]} with {expected[wrong][1]} in the database; the previous export stays."
        )


def _bars_of(connection: Connection, held: HeldPanel, split_only: FactorPanel, first: date, last: date) -> pl.DataFrame:
    """The bars of a year by symbol and session."""
    bars = joined(list(read_panel(connection, start=first, end=last, fields=BAR_FIELDS)), BAR_FIELDS)
    # Text sorts as its bytes do, whatever the database's collation: readers may rely on it.
    by_symbol = sorted(held.ranges, key=lambda one: one.symbol)
    rank = np.zeros(max(one.id for one in by_symbol) + 1, np.int64)
    rank[[one.id for one in by_symbol]] = np.arange(len(by_symbol))
    bars = bars.take(np.lexsort((bars.sessions, rank[bars.ids])))
    days = bars.sessions + EPOCH
    symbols = pl.Series([one.symbol for one in by_symbol], dtype=pl.String).gather(rank[bars.ids])
    frame = as_numbers(bar_frame(symbols, days, bars.values, absent=ABSENT))
    return frame.with_columns(
        pl.Series("factor", held.factors.factors_at(bars.ids, days)),
        pl.Series("factor_split", split_only.factors_at(bars.ids, days)),
    ).select(pl.col(name).cast(kind) for name, kind in parquet.BAR_SCHEMA.items())


def _manifest(context: Context, held: HeldPanel, folder: Path, fingerprint: str) -> Mapping[str, Any]:
    synthetic = held.source == "sandbox"
    return {
        "fingerprint": fingerprint,
        "exported_at": context.clock().isoformat(timespec="seconds"),
        "source": held.source,
        "warning": "SYNTHETIC: made by the sandbox exchange, not the market's prices" if synthetic else None,
        "bars": held.bars,
        **held.details(),
        "columns": {name: str(kind()) for name, kind in parquet.BAR_SCHEMA.items()},
        "notes": parquet.NOTES,
        "sha256": parquet.digests(folder),
    }
