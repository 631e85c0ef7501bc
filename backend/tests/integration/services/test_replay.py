"""Real prices, published in 2024 and replayed by the sandbox, arrive in the store row for row."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from app.services.sync_daily_bars import sync_daily_bars

START, END = date(2024, 5, 31), date(2024, 7, 1)


@pytest.mark.needs_shared
@pytest.mark.unlisted
def test_a_month_of_the_real_panel(make_bench: Any, start_sandbox: Any, shared_data: Path) -> None:
    panel = shared_data / "panels/twse_daily_2023-03_2024-07.parquet"
    now = datetime(2024, 7, 1, 21, 0, tzinfo=ZoneInfo("Asia/Taipei"))
    bench = make_bench(start_sandbox(replay=panel, now=now))
    first = sync_daily_bars(bench.context, start=START, end=END)

    wanted = {
        (
            row["code"],
            row["Date"].date() if isinstance(row["Date"], datetime) else row["Date"],
            row["Capacity"],
            row["Turnover"],
            row["Transaction"],
            *(_price(row[name]) for name in ("Open", "High", "Low", "Close")),
        )
        for row in pl.read_parquet(panel)
        .with_columns(pl.col("Date").cast(pl.Date))
        .filter(pl.col("Date").is_between(START, END))
        .iter_rows(named=True)
    }
    held = {
        tuple(row)
        for row in bench.rows(
            "SELECT s.symbol, session, volume, turnover, trades, open, high, low, close "
            "FROM bars JOIN securities s ON s.id = security_id"
        )
    }
    assert len(wanted) > 20 * 940
    assert held == wanted
    assert first.counts.stored == len(wanted)
    assert first.counts.quarantined == 0
    # The panel holds common stocks only: what the list expects beyond them is said, not hidden.
    assert first.state == "PARTIAL"

    # TPEx, of which the panel has nothing, is missing on those days, not closed.
    assert bench.number("SELECT count(*) FROM sessions WHERE NOT is_open") == 0
    days = len({day for _, day, *_ in wanted})
    assert bench.number("SELECT count(*) FROM units WHERE venue = 'TPEX' AND state = 'PARTIAL'") == days

    second = sync_daily_bars(bench.context, start=START, end=END)
    assert (second.counts.stored, second.counts.unchanged) == (0, len(wanted))


def _price(value: float | None) -> int | None:
    return None if value is None else int(round(Decimal(str(value)), 4) * 10_000)
