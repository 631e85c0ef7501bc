"""The usual way into Qlib, to measure ours against: a CSV a stock by pandas, then each CSV made eight files.

Written after the description of the format, in the steps of Qlib's own ``scripts/dump_bin.py``: one pass over all
CSVs for their dates, one to write, two processes.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from fractions import Fraction
from itertools import repeat
from pathlib import Path

import numpy as np
import pandas as pd
from sqlalchemy import Engine, text

FIELDS = ("open", "high", "low", "close", "volume", "factor", "change", "vwap")
WORKERS = 2

_BARS = text(
    "SELECT session AS date, open, high, low, close, change, volume, turnover FROM bars "
    "WHERE security_id = (SELECT id FROM securities WHERE symbol = :symbol) ORDER BY session"
)
_ACTIONS = text(
    "SELECT ex_date, reference_price, previous_close FROM corporate_actions "
    "WHERE security_id = (SELECT id FROM securities WHERE symbol = :symbol) ORDER BY ex_date DESC"
)


def write_csvs(engine: Engine, symbols: Sequence[str], folder: Path) -> None:
    """Each stock's adjusted history from the database."""
    folder.mkdir()
    with engine.connect() as connection:
        for symbol in symbols:
            raw = pd.read_sql(_BARS, connection, params={"symbol": symbol}, parse_dates=["date"])
            factor, so_far = np.ones(len(raw)), Fraction(1)
            for ex_date, reference, previous in connection.execute(_ACTIONS, {"symbol": symbol}):
                if raw["date"].iloc[0].date() < ex_date <= raw["date"].iloc[-1].date():
                    so_far *= Fraction(reference, previous)
                    factor[raw["date"] < pd.Timestamp(ex_date)] = float(so_far)
            made = pd.DataFrame({"symbol": symbol, "date": raw["date"].dt.strftime("%Y-%m-%d")})
            for name in ("open", "high", "low", "close"):
                made[name] = raw[name] / 10_000 * factor
            made["volume"] = raw["volume"] / factor
            made["factor"] = factor
            made["change"] = raw["close"] / (raw["close"] - raw["change"]) - 1
            made["vwap"] = raw["turnover"] / raw["volume"] * factor
            made.loc[raw["close"].isna() & (raw["volume"] == 0), list(FIELDS)] = np.nan
            made.to_csv(folder / f"{symbol}.csv", index=False)


def dump(csvs: Path, tree: Path) -> None:
    """A Qlib tree of all CSVs of a folder."""
    paths = sorted(csvs.glob("*.csv"))
    with ProcessPoolExecutor(WORKERS) as pool:
        found = list(pool.map(_dates, paths))
        calendar = sorted(set().union(*(dates for _, _, dates in found)))
        for name in ("calendars", "instruments", "features"):
            (tree / name).mkdir(parents=True)
        (tree / "calendars/day.txt").write_text("".join(f"{day:%Y-%m-%d}\n" for day in calendar))
        lines = (
            f"{path.stem}\t{first:%Y-%m-%d}\t{last:%Y-%m-%d}\n"
            for path, (first, last, _) in zip(paths, found, strict=True)
        )
        (tree / "instruments/all.txt").write_text("".join(lines))
        list(pool.map(_dump_one, paths, repeat(calendar), repeat(tree)))


def _read(path: Path) -> pd.DataFrame:
    frame = pd.read_csv(path, low_memory=False)
    frame["date"] = pd.to_datetime(frame["date"])
    return frame


def _dates(path: Path) -> tuple[pd.Timestamp, pd.Timestamp, set[pd.Timestamp]]:
    dates = _read(path)["date"]
    return dates.min(), dates.max(), set(dates)


def _dump_one(path: Path, calendar: list[pd.Timestamp], tree: Path) -> None:
    frame = _read(path).drop_duplicates("date")
    days = pd.DataFrame({"date": calendar})
    days = days[(days["date"] >= frame["date"].min()) & (days["date"] <= frame["date"].max())].set_index("date")
    aligned = frame.set_index("date").reindex(days.index)
    start = calendar.index(aligned.index.min())
    folder = tree / "features" / path.stem.lower()
    folder.mkdir()
    for name in FIELDS:
        np.hstack([start, aligned[name]]).astype("<f4").tofile(folder / f"{name}.day.bin")
