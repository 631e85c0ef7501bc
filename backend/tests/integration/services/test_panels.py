"""Sixteen months of the real market, from an empty database: every cell held or accounted for, and none made up.

The expectation is computed by polars from the panel and the exchanges' list, without our store.
"""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from app.market.security import Venue
from app.services.backfill import Wanted, backfill_bars
from app.store.coverage import read_coverage
from app.store.engine import transaction

START, END = date(2023, 3, 1), date(2024, 7, 1)


@pytest.mark.needs_shared
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

    listed = bench.rows("SELECT symbol, listed_on FROM securities WHERE venue = 'TWSE' AND on_list")
    days = panel["session"].unique().sort()
    universe = pl.DataFrame(
        {"symbol": [row[0] for row in listed], "listed_on": [row[1] for row in listed]},
        schema_overrides={"listed_on": pl.Date},
    )
    due = (
        universe.join(days.to_frame(), how="cross")
        .filter(pl.col("listed_on").is_null() | (pl.col("listed_on") <= pl.col("session")))
        .select("symbol", "session")
    )
    cells = due.join(panel.with_columns(seen=True), on=["symbol", "session"], how="full", coalesce=True)
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
