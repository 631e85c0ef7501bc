"""Bars by column as a table: exact whole numbers until the last step, which makes floats or text of them.

Prices are here in millionths of a TWD, which is as fine as adjusted ones are rounded; absent is null.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from fractions import Fraction

import numpy as np
import polars as pl
from numpy.typing import NDArray

from app.errors import InvalidParameter
from app.market.bar import PRICE_FIELDS, PRICE_SCALE

MILLIONTHS = 1_000_000
_FINER = MILLIONTHS // PRICE_SCALE
_UNIX_EPOCH = date(1970, 1, 1).toordinal()
_EXACT_FLOATS = 2.0**52
"""Below it every float knows whether it is a whole number."""

Ints = NDArray[np.int64]
FactorOf = Callable[[int], Fraction]
"""The exact factor of the bar in a row."""


def bar_frame(symbols: pl.Series, days: Ints, values: Mapping[str, Ints], *, absent: int) -> pl.DataFrame:
    """Raw bars: symbol, session, then *values* by name; *days* as ``date.toordinal`` counts, prices in 1/10,000 TWD.

    ``absent`` is the number that stands for a value which the venue did not publish.
    """
    columns = {"symbol": symbols, "session": pl.Series((days - _UNIX_EPOCH).astype(np.int32)).cast(pl.Date)}
    for name, numbers in values.items():
        whole = numbers * _FINER if name in PRICE_FIELDS else numbers
        there = numbers != absent
        column = pl.Series(whole)
        columns[name] = column if there.all() else pl.select(pl.when(pl.Series(there)).then(column)).to_series()
    return pl.DataFrame(columns)


def adjusted_frame(frame: pl.DataFrame, factors: NDArray[np.float64], exact: FactorOf) -> pl.DataFrame:
    """*frame* times the factors: prices × factor, volume ÷ factor, each rounded once, half to even.

    As ``app.market.adjustment.adjusted`` does it, bar by bar, but in floats; where those are too coarse to tell how
    to round, *exact* says.
    """
    made = []
    for name in frame.columns:
        if name in PRICE_FIELDS:
            made.append(_rounded(frame[name], factors, lambda value, row: value * exact(row)))
        elif name == "volume":
            made.append(_rounded(frame[name], 1 / factors, lambda value, row: value / exact(row)))
    return frame.with_columns(made)


def as_numbers(frame: pl.DataFrame) -> pl.DataFrame:
    """Prices as float64 in TWD: the float that is nearest to the exact value, so that rounding gives that back."""
    return frame.with_columns(_nearest_float(frame[name]) for name in _prices(frame))


def as_text(frame: pl.DataFrame) -> pl.DataFrame:
    """Prices as exact decimal text in TWD: 998.5, never 998.50 or 9.985e2."""
    return frame.with_columns(_decimal_text(name) for name in _prices(frame))


def _prices(frame: pl.DataFrame) -> list[str]:
    return [name for name in frame.columns if name in PRICE_FIELDS]


def _nearest_float(column: pl.Series) -> pl.Series:
    # numpy divides; polars multiplies by the reciprocal, which is another float now and then.
    values = column.fill_null(0).to_numpy() / MILLIONTHS
    return pl.select(pl.when(column.is_not_null()).then(pl.Series(values)).alias(column.name)).to_series()


def _decimal_text(name: str) -> pl.Expr:
    value = pl.col(name)
    digits = value.abs().cast(pl.String).str.zfill(7)
    fraction = digits.str.slice(-6).str.strip_chars_end("0")
    sign = pl.when(value < 0).then(pl.lit("-")).otherwise(pl.lit(""))
    point = pl.when(fraction == "").then(pl.lit("")).otherwise("." + fraction)
    return pl.concat_str(sign, digits.str.head(-6), point).alias(name)


def _rounded(column: pl.Series, by: NDArray[np.float64], exact: Callable[[int, int], Fraction]) -> pl.Series:
    """*column* × *by* as whole numbers; *exact* gives the product of a value and what belongs to its row."""
    values, there = column.fill_null(0).to_numpy(), column.is_not_null().to_numpy()
    product = values * by
    # Three roundings of 2**-53 each; in what is nearer to a half than that the floats cannot decide.
    doubtful = np.abs(product - np.floor(product) - 0.5) <= np.abs(product) * 1e-15
    doubtful = (doubtful | (np.abs(product) >= _EXACT_FLOATS)) & there
    whole = np.rint(np.where(doubtful, 0, product)).astype(np.int64)
    for row in np.flatnonzero(doubtful).tolist():
        number = round(exact(int(values[row]), row))
        if abs(number) >= 2**63:
            raise InvalidParameter(
                f"{column.name} of bar {row}, adjusted, is {number:.3e} and fits no column: ask for raw bars."
            )
        whole[row] = number
    return pl.select(pl.when(pl.Series(there)).then(pl.Series(whole)).alias(column.name)).to_series()
