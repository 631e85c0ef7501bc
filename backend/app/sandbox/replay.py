"""Prices of a panel, replayed: the file's sessions are the sessions, its rows the rows; nothing is made up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from app.errors import ConfigurationError
from app.market.limits import price_limits
from app.market.security import SecurityKind
from app.sandbox.listing import Listed, by_symbol, listed_securities, unlisted
from app.sandbox.recorded_actions import RecordedTables
from app.sandbox.rows import DayRow

_NAMES = {"Capacity": "volume", "Volume": "volume", "Turnover": "turnover", "Transaction": "trades"}
_NAMES |= {"code": "symbol", "Date": "session"}
_NAMES |= {name: name.lower() for name in ("Open", "High", "Low", "Close", "Change")}
_REQUIRED = ("symbol", "session", "open", "high", "low", "close", "volume")
_PRICES = ("open", "high", "low", "close", "change")
_COUNTS = ("volume", "turnover", "trades")


class ReplayedPrices:
    """A Parquet panel with ``code Date Open High Low Close`` and ``Volume`` or ``Capacity`` (shares).

    ``Turnover``, ``Change`` and ``Transaction`` where the panel has them; what it has not is absent. Prices are TWD,
    rounded to 0.01, which is as fine as the exchanges print.
    """

    def __init__(self, path: Path) -> None:
        self._frame = _read(path)
        self._sessions: list[date] = self._frame["session"].unique().sort().to_list()
        self._known = by_symbol()
        self.label = f"replay:{path.name}"
        self.actions = RecordedTables(path.resolve().parents[1])

    def sessions(self, start: date, end: date) -> Sequence[date]:
        """The panel's sessions."""
        return [day for day in self._sessions if start <= day <= end]

    def listing(self) -> Sequence[Listed]:
        """The shipped list, and the panel's symbols that it does not hold."""
        symbols = self._frame["symbol"].unique().sort().to_list()
        return [*listed_securities(), *(unlisted(symbol) for symbol in symbols if symbol not in self._known)]

    def day(self, session: date) -> Sequence[DayRow]:
        """The panel's rows of *session*, sorted by symbol."""
        return list(self._rows(self._frame.filter(pl.col("session") == session).sort("symbol")))

    def history(self, symbol: str, start: date, end: date) -> Sequence[DayRow]:
        """The panel's rows of one security."""
        wanted = (pl.col("symbol") == symbol) & pl.col("session").is_between(start, end)
        return list(self._rows(self._frame.filter(wanted).sort("session")))

    def _rows(self, frame: pl.DataFrame) -> Iterator[DayRow]:
        for row in frame.iter_rows(named=True):
            listed = self._known.get(row["symbol"]) or unlisted(row["symbol"])
            reference = None
            if row["close"] and row["change"] is not None and row["close"] > row["change"]:
                reference = row["close"] - row["change"]
            up, down = _limits(reference, listed, row)
            del row["symbol"]
            yield DayRow(listed=listed, reference=reference, limit_up=up, limit_down=down, **row)


def _limits(reference: int | None, listed: Listed, row: dict[str, Any]) -> tuple[int | None, int | None]:
    """The limits, where the panel's own prices agree with them: its change is 0 on ex-dates, which tells nothing."""
    kind = listed.security.kind
    if reference is None or kind in (SecurityKind.ETF, SecurityKind.ETN):
        return None, None
    limits = price_limits(reference, kind)
    agree = limits.hold(row["high"]) and limits.hold(row["low"])
    return (limits.up, limits.down) if agree else (None, None)


def _read(path: Path) -> pl.DataFrame:
    if not path.is_file():
        raise ConfigurationError(f"There is no file {path} to replay.")
    try:
        frame = pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise ConfigurationError(f"{path.name} cannot be read as Parquet: {error}.") from error
    frame = frame.rename({name: _NAMES[name] for name in frame.columns if name in _NAMES}, strict=False)
    missing = [name for name in _REQUIRED if name not in frame.columns]
    if missing:
        raise ConfigurationError(
            f"{path.name} lacks {', '.join(missing)}: a panel has code, Date, Open, High, Low, Close "
            "and Volume or Capacity."
        )
    absent = [pl.lit(None, dtype=pl.Int64).alias(name) for name in (*_PRICES, *_COUNTS) if name not in frame.columns]
    cents = [
        ((pl.col(name).cast(pl.Float64).fill_nan(None) * 100).round().cast(pl.Int64) * 100).alias(name)
        for name in _PRICES
        if name in frame.columns
    ]
    counts = [pl.col(name).cast(pl.Int64) for name in _COUNTS if name in frame.columns]
    try:
        return frame.with_columns(
            pl.col("symbol").cast(pl.String), pl.col("session").cast(pl.Date), *cents, *counts, *absent
        ).select("symbol", "session", *_PRICES, *_COUNTS)
    except pl.exceptions.PolarsError as error:
        raise ConfigurationError(f"{path.name} is no panel of prices: {error}.") from error
