"""The real market, from an empty database: every cell held or accounted for, dirty ones set aside, and none made up.

The expectation is computed by polars from the panel and the exchanges' list, without our store. The larger of the two
panels takes minutes: ``make truth``.
"""

from __future__ import annotations

import math
import os
import subprocess
import time
from datetime import date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from loguru import logger

from app.market.security import Venue
from app.services.backfill import Wanted, backfill_bars
from app.services.export_qlib import export_qlib
from app.store.coverage import read_coverage
from app.store.engine import transaction
from tests.conftest import PROJECT

START, END = date(2023, 3, 1), date(2024, 7, 1)


def due_cells(bench: Any, venue: Venue, panel: pl.DataFrame) -> pl.DataFrame:
    """What the list of *venue* says was listed on each session of *panel*."""
    listed = bench.rows("SELECT symbol, listed_on FROM securities WHERE venue = :venue AND on_list", venue=venue.value)
    universe = pl.DataFrame(
        {"symbol": [row[0] for row in listed], "listed_on": [row[1] for row in listed]},
        schema_overrides={"listed_on": pl.Date},
    )
    return (
        universe.join(panel.select(pl.col("session").unique()), how="cross")
        .filter(pl.col("listed_on").is_null() | (pl.col("listed_on") <= pl.col("session")))
        .select("symbol", "session")
    )


@pytest.mark.long
@pytest.mark.needs_shared
@pytest.mark.unlisted
@pytest.mark.timeout(400)
def test_every_cell_of_the_panel_is_accounted_for(make_bench: Any, start_sandbox: Any, shared_data: Path) -> None:
    path = shared_data / "panels/twse_daily_2023-03_2024-07.parquet"
    bench = make_bench(
        start_sandbox(replay=path, now=datetime(2024, 7, 1, 22, 0, tzinfo=ZoneInfo("Asia/Taipei"))), run_id=None
    )
    report = backfill_bars(bench.context, Wanted(START, END, Venue.TWSE))

    panel = (
        pl.read_parquet(path)
        .select(pl.col("code").cast(pl.String).alias("symbol"), pl.col("Date").cast(pl.Date).alias("session"), "Close")
        .filter(pl.col("session").is_between(START, END))
    )
    assert report.counts.stored == len(panel) == 306_210
    assert report.counts.quarantined == 0

    cells = due_cells(bench, Venue.TWSE, panel).join(
        panel.with_columns(seen=True), on=["symbol", "session"], how="full", coalesce=True
    )
    wanted = {
        row["session"]: (row["expected"], row["held"], row["no_trade"], row["missing"])
        for row in cells.group_by("session")
        .agg(
            expected=pl.len(),
            held=pl.col("Close").is_not_null().sum(),
            no_trade=(pl.col("Close").is_null() & pl.col("seen").is_not_null()).sum(),
            missing=pl.col("seen").is_null().sum(),
        )
        .iter_rows(named=True)
    }
    with transaction(bench.engine) as connection:
        covered = read_coverage(connection, start=START, end=END, venue=Venue.TWSE)
    found = {one.session: (one.expected, one.held, one.explained.get("no_trade", 0), one.missing) for one in covered}
    assert len(wanted) == 326
    assert found == wanted
    assert sum(one.quarantined for one in covered) == 0


@pytest.mark.needs_shared
@pytest.mark.unlisted
@pytest.mark.timeout(1800)
@pytest.mark.skipif(os.environ.get("QUANTLAB_TRUTH") != "full", reason="takes minutes: make truth")
def test_the_whole_market_of_the_dirty_panel(make_bench: Any, start_sandbox: Any, shared_data: Path) -> None:
    """Both venues over twenty months, by wire: stored, set aside, missing, and what the real Qlib reads of it."""
    path = shared_data / "panels/whole_market_daily_2024-12_2026-08.parquet"
    first, last = date(2024, 12, 9), date(2026, 8, 20)
    bench = make_bench(
        start_sandbox(replay=path, now=datetime(2026, 8, 20, 22, 0, tzinfo=ZoneInfo("Asia/Taipei"))), run_id=None
    )
    began = time.perf_counter()
    report = backfill_bars(bench.context, Wanted(first, last))
    seconds = time.perf_counter() - began

    names = ("Open", "High", "Low", "Close")
    panel = pl.read_parquet(path).select(
        pl.col("code").cast(pl.String).alias("symbol"),
        pl.col("Date").cast(pl.Date).alias("session"),
        *((pl.col(name).cast(pl.Float64) * 100).round().cast(pl.Int64) * 100 for name in names),
        "Volume",
    )
    ordered = (pl.col("Low") == pl.min_horizontal(*names)) & (pl.col("High") == pl.max_horizontal(*names))
    zero = pl.min_horizontal(*names) == 0
    dirty = panel.filter(zero | ~ordered).with_columns(
        rule=pl.when(zero).then(pl.lit("zero-price")).otherwise(pl.lit("ohlc-order"))
    )
    held = bench.rows("SELECT session, symbol, rule FROM quarantine WHERE severity = 'blocking'")
    assert {tuple(row) for row in held} == set(dirty.select("session", "symbol", "rule").iter_rows())
    assert len(held) == len(dirty) == 231

    clean = panel.join(dirty, on=["symbol", "session"], how="anti")
    stored = bench.rows(
        "SELECT symbol, session, open, high, low, close, volume FROM bars JOIN securities s ON s.id = security_id"
    )
    assert len(stored) == len(clean) == report.counts.stored == 725_720
    assert {tuple(row) for row in stored} == set(clean.iter_rows())

    with transaction(bench.engine) as connection:
        covered = read_coverage(connection, start=first, end=last, dataset="daily_bars")
    assert all(
        one.expected == one.held + one.quarantined + sum(one.explained.values()) + one.missing for one in covered
    )
    missing = 0
    for venue in (Venue.TWSE, Venue.TPEX):
        symbols = {row[0] for row in bench.rows("SELECT symbol FROM securities WHERE venue = :v", v=venue.value)}
        own = panel.filter(pl.col("symbol").is_in(symbols))
        lacking = due_cells(bench, venue, own).join(own, on=["symbol", "session"], how="anti")
        wanted = dict(lacking.group_by("session").len().iter_rows())
        days = own["session"].unique().to_list()
        found = {one.session: one.missing for one in covered if one.venue is venue and one.session in set(days)}
        assert found == {day: wanted.get(day, 0) for day in days}
        missing += sum(found.values())

    export = export_qlib(bench.context, keep=1)
    read = read_by_qlib(bench.context.data_dir / "exports/qlib/current")
    closes = {(symbol, session): close / 10_000 for symbol, session, _, _, _, close, _ in stored}
    assert {key for key, value in read.items() if not math.isnan(value)} == closes.keys()
    worst = max(abs(read[key] - close) / close for key, close in closes.items())
    assert worst < 2**-23  # as near as float32 comes
    logger.info(
        "{:,} units in {:.0f} s: {:,} of {:,} rows stored, {} set aside, all of them dirty; {:,} listed cells "
        "without a row named as missing; Qlib read {:,} bars, the worst close off by {:.1e}",
        *(report.details["units"], seconds, len(stored), len(panel), len(held)),
        *(missing, export.counts.stored, worst),
    )


_READER = """
import sys, qlib
from qlib.data import D
qlib.init(provider_uri=sys.argv[1], region="tw", kernels=1)
frame = D.features(D.instruments("all"), ["$close / $factor"])
frame.columns = ["close"]
frame.reset_index().to_csv(sys.argv[2], index=False)
"""


def read_by_qlib(folder: Path) -> dict[tuple[str, date], float]:
    """Raw closes as the real Qlib reads them."""
    python, out = PROJECT / ".venv-qlib/bin/python", folder.parent / "read.csv"
    if not python.exists():
        pytest.skip("the real Qlib is not installed: python3 tools/install.py --qlib")
    subprocess.run([python, "-c", _READER, folder, out], cwd=folder.parent, check=True)
    frame = pl.read_csv(out, schema_overrides={"instrument": pl.String, "close": pl.Float64})
    rows = frame.select("instrument", pl.col("datetime").str.slice(0, 10).str.to_date(), "close").iter_rows()
    return {(symbol, session): math.nan if close is None else close for symbol, session, close in rows}
