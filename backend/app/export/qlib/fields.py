"""From stored whole numbers to Qlib's eight fields. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.errors import ExportError
from app.export.qlib.layout import FIELDS
from app.market.bar import PRICE_SCALE

Ints = NDArray[np.int64]
Floats = NDArray[np.float32]

RAW_FIELDS = ("open", "high", "low", "close", "change", "volume", "turnover")
"""What is read of a bar: prices and change in 1/10,000 TWD, volume in shares, turnover in TWD."""


@dataclass(frozen=True, slots=True)
class RawBars:
    """Bars by column: *instruments* and *days* are places in the lists of the tree, *values* one array a raw field.

    All of one length; ``absent`` is the number that stands for a value which the venue did not publish, ``factors``
    are those of adjustment: 1 leaves a bar raw.
    """

    instruments: Ints
    days: Ints
    values: Mapping[str, Ints]
    absent: int
    factors: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.days)


@dataclass(frozen=True, slots=True)
class Block:
    """Every bar of the *sessions* (a range of places in the calendar), as Qlib will have it; one place a bar.

    Filled part by part, so that only the small form of the bars (40 bytes each) is held as a whole.
    """

    sessions: range
    instruments: NDArray[np.int32]
    days: NDArray[np.int32]
    fields: Mapping[str, Floats]

    @classmethod
    def empty(cls, sessions: range, bars: int) -> Block:
        """Room for so many *bars*."""
        places = np.empty(bars, np.int32), np.empty(bars, np.int32)
        return cls(sessions, *places, {name: np.empty(bars, np.float32) for name in FIELDS})

    def __len__(self) -> int:
        return len(self.days)

    def first(self, bars: int) -> Block:
        """Only the first so many *bars*: a block that had more room than was needed."""
        fields = {name: column[:bars] for name, column in self.fields.items()}
        return Block(self.sessions, self.instruments[:bars], self.days[:bars], fields)

    def fill(self, start: int, bars: RawBars) -> int:
        """Put *bars* at *start*; returns where the next part goes. Raises ExportError when there is no room."""
        end = start + len(bars)
        if end > len(self):
            raise ExportError(f"The database counts {len(self)} bars in these sessions, and gave at least {end}.")
        self.instruments[start:end] = bars.instruments
        self.days[start:end] = bars.days
        for name, column in qlib_fields(bars).items():
            self.fields[name][start:end] = column
        return end


def qlib_fields(bars: RawBars) -> dict[str, Floats]:
    """The eight fields of *bars*, an array each, as long as *bars*.

    open, high, low, close and vwap (turnover / volume) are in TWD times the factor, volume is in shares divided by it.
    change is close / reference - 1, where the reference is the price that the venue itself compares with (close -
    published change): the previous close on ordinary days. It is NaN where the venue calls the two not comparable
    (ex-dates), for close / previous close would report a dividend as a loss there; and a session missing from the
    store cannot turn it into a return over two days.

    A bar without any price and without volume is no trade: NaN in every field, so that nobody averages over zeros.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        value = {name: _floats(bars, name) for name in RAW_FIELDS}
        volume = value["volume"]
        reference = value["close"] - value["change"]
        fields = {name: value[name] / PRICE_SCALE * bars.factors for name in ("open", "high", "low", "close")}
        fields["volume"] = volume / bars.factors
        fields["factor"] = bars.factors
        fields["change"] = np.where(reference > 0, value["close"] / reference - 1, np.nan)
        fields["vwap"] = np.where(volume > 0, value["turnover"] / volume * bars.factors, np.nan)
    priced = np.logical_or.reduce([~np.isnan(fields[name]) for name in ("open", "high", "low", "close")])
    traded = priced | (volume > 0)
    return {name: np.where(traded, column, np.nan).astype(np.float32) for name, column in fields.items()}


def _floats(bars: RawBars, name: str) -> NDArray[np.float64]:
    """Exact up to 2**53, some thousand times the largest turnover of a session."""
    try:
        column = bars.values[name]
    except KeyError:
        raise ExportError(f"The bars were read without {name}; the export needs {', '.join(RAW_FIELDS)}.") from None
    floats = column.astype(np.float64)
    floats[column == bars.absent] = np.nan
    return floats
