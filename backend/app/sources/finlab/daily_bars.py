"""FinLab's wide tables (a row a day, a column a symbol) → bars. Pure: no package, no network."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from app.errors import SourceChanged
from app.market.bar import PRICE_SCALE, Bar
from app.market.comparison import Tolerance

SITE = "finlab"
TABLES: Mapping[str, str] = {
    "open": "price:開盤價",
    "high": "price:最高價",
    "low": "price:最低價",
    "close": "price:收盤價",
    "volume": "price:成交股數",
}
"""Field → table. It has none of the change."""
OPTIONAL: Mapping[str, str] = {"turnover": "price:成交金額", "trades": "price:成交筆數"}
"""Left out where the account has no such table."""

_CENT = Tolerance(PRICE_SCALE // 100 // 2 - 1, "its prices are floats: less than half of the smallest tick apart")
_COUNT = Tolerance(0, "shares and trades are whole numbers, which a float holds exactly")
_FLOAT = Tolerance(1, "its turnover is a float, and whole TWD may round either way")
TOLERANCES: Mapping[str, Tolerance] = {
    **dict.fromkeys(("open", "high", "low", "close"), _CENT),
    **dict.fromkeys(("volume", "trades"), _COUNT),
    "turnover": _FLOAT,
}


@dataclass(frozen=True, slots=True)
class Known:
    """What the tables say of one security.

    ``since`` and ``until`` are the first and last day of which they say anything of anybody: free tables end at a
    cutoff, and nothing follows from what lies beyond. Both are None for a symbol without a column.
    """

    bars: Mapping[date, Bar]
    since: date | None
    until: date | None


def known_of(symbol: str, tables: Mapping[str, Any]) -> Known:
    """The bars of *symbol* in *tables* (field → DataFrame, its index days, its columns symbols). NaN is absent.

    Raises:
        SourceChanged: a table that is needed is not there, or is no such table.
    """
    closes = _table(tables, "close")
    told = closes.index[closes.notna().any(axis=1)]
    if symbol not in closes.columns or not len(told):
        return Known({}, None, None)
    days: dict[date, dict[str, int]] = {}
    for field in (*TABLES, *(name for name in OPTIONAL if name in tables)):
        table = _table(tables, field)
        if symbol not in table.columns:
            continue
        scale = PRICE_SCALE if field in ("open", "high", "low", "close") else 1
        column = table[symbol].dropna()
        for stamp, number in zip(column.index, column.to_numpy(dtype=float), strict=True):
            if math.isfinite(number):
                days.setdefault(_day(stamp), {})[field] = round(number * scale)
    bars = {day: Bar(symbol, day, **values) for day, values in sorted(days.items())}
    return Known(bars, _day(told.min()), _day(told.max()))


def fields_of(tables: Mapping[str, Any]) -> frozenset[str]:
    """The fields that these tables publish."""
    return frozenset((*TABLES, *(name for name in OPTIONAL if name in tables)))


def _table(tables: Mapping[str, Any], field: str) -> Any:
    table = tables.get(field)
    if not all(hasattr(table, name) for name in ("index", "columns", "notna")):
        name = TABLES.get(field) or OPTIONAL[field]
        raise SourceChanged(f"{SITE} gave no table for {name}", site=SITE, column=name)
    return table


def _day(stamp: Any) -> date:
    """The day of a Timestamp. Raises SourceChanged for an index of anything else."""
    if not hasattr(stamp, "date"):
        raise SourceChanged(f"the index of {SITE}'s tables holds {str(stamp)[:80]!r} instead of days", site=SITE)
    day: date = stamp.date()
    return day
