"""The Parquet export: which files there are, what their columns mean, and that they read back as they were written.

::

    bars/year=2024/bars.parquet    one a year, in the layout of Hive: readers make a column `year` of the folder's name
    securities.parquet             every security that is known, delisted ones too
    corporate_actions.parquet      every action that holds
    calendar.parquet               every session from the first bar to the last, and how many bars it has
    manifest.json                  whose data, how much of them, what columns mean, a digest a file

Prices are float64, not decimals: every reader takes them as numbers without a conversion, and they lose nothing. A
price has at most ten digits and a float64 keeps fifteen, so rounding to four decimals gives the published price.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from app.errors import ExportError
from app.market.bar import PRICE_FIELDS

SECURITIES, ACTIONS, CALENDAR = "securities.parquet", "corporate_actions.parquet", "calendar.parquet"
ROWS = 200_000
"""In a row group: what a reader may skip by its smallest and largest symbol."""

BAR_SCHEMA: dict[str, Any] = {
    "symbol": pl.String,
    "session": pl.Date,
    **dict.fromkeys(PRICE_FIELDS, pl.Float64),
    **dict.fromkeys(("volume", "turnover", "trades"), pl.Int64),
    "factor": pl.Float64,
    "factor_split": pl.Float64,
}

NOTES = {
    "absent": "null: not published; never 0 and never NaN",
    "symbol": "text: 0050 is not 50",
    "session": "trading day, Taipei",
    "open, high, low, close": "TWD, raw: as published; float64, exact when rounded to four decimals",
    "change": "TWD, against the venue's reference price; null where the venue calls them not comparable (ex-dates)",
    "volume": "shares",
    "turnover": "TWD",
    "trades": "number of transactions",
    "factor": "adjusted price = price x factor, adjusted volume = volume / factor: back-adjusted total return",
    "factor_split": "the same for splits, reductions and free shares alone: cash dividends stay a fall of the price, "
    "except TWSE's that come with free shares on one day and what a reduction pays: one price is told for both",
    "corporate_actions": "previous_close, reference_price, cash_reference in TWD; ratio = reference / previous close",
    "calendar": "bars: how many are held of that session",
}


def bars_file(year: int) -> str:
    """Where the bars of a year are."""
    return f"bars/year={year}/bars.parquet"


def write(folder: Path, name: str, frame: pl.DataFrame) -> None:
    """Write *frame*, and read it back. Raises ExportError unless it is the same, column by column, null by null."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        frame.write_parquet(path, compression="zstd", row_group_size=ROWS)
        for column in frame.get_columns():
            # One at a time: the whole of it once more would double the memory that a year takes.
            _compare(name, column, pl.read_parquet(path, columns=[column.name], hive_partitioning=False)[column.name])
    except pl.exceptions.PolarsError as error:
        raise ExportError(f"{name} could not be written or read back: {error}. The previous export stays.") from error


def _compare(name: str, column: pl.Series, back: pl.Series) -> None:
    if back.dtype != column.dtype or len(back) != len(column):
        raise ExportError(
            f"{column.name} of {name} reads back as {len(back)} values of {back.dtype}, not as {len(column)} of "
            f"{column.dtype}; the previous export stays."
        )
    wrong = column.ne_missing(back).arg_true()
    if len(wrong):
        row = wrong[0]
        raise ExportError(
            f"{column.name} in row {row} of {name} reads back as {back[row]}, not {column[row]} ({len(wrong)} such "
            "cells); the previous export stays."
        )


def totals(folder: Path, year: int) -> dict[str, tuple[int, int]]:
    """Of the bars of a year, as the file has them: field → how many values, and their sum (prices in 1/10,000 TWD).

    Raises:
        ExportError: a price is no multiple of 1/10,000 TWD.
    """
    frame = pl.scan_parquet(folder / bars_file(year), hive_partitioning=False)
    names = [name for name in BAR_SCHEMA if name in PRICE_FIELDS or name in ("volume", "turnover", "trades")]
    whole = [(pl.col(name) * 10_000).round() if name in PRICE_FIELDS else pl.col(name) for name in names]
    sums = [one.cast(pl.Int128).sum().alias(f"{name} sum") for name, one in zip(names, whole, strict=True)]
    counts = [pl.col(name).count().alias(f"{name} count") for name in names]
    off = [((pl.col(name) * 10_000 - (pl.col(name) * 10_000).round()).abs() > 1e-6).any() for name in PRICE_FIELDS]
    off = [one.alias(f"{name} off") for name, one in zip(PRICE_FIELDS, off, strict=True)]
    row = frame.select(*sums, *counts, *off).collect().row(0, named=True)
    if any(row[f"{name} off"] for name in PRICE_FIELDS):
        raise ExportError(f"{bars_file(year)} has a price finer than 1/10,000 TWD; the previous export stays.")
    return {name: (int(row[f"{name} count"]), int(row[f"{name} sum"])) for name in names}


def digests(folder: Path) -> Mapping[str, str]:
    """File → SHA-256 of its bytes."""
    found = {}
    for path in sorted(folder.rglob("*.parquet")):
        with path.open("rb") as file:
            found[str(path.relative_to(folder))] = hashlib.file_digest(file, "sha256").hexdigest()
    return found
