"""Which bars of a whole market a judge could object to: one look at whole columns in place of five at each bar. Pure.

It says nothing of what is wrong, and may suspect a bar that is sound; ``bar_rules.py`` judges those few.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from app.market.bar import ABSENT
from app.market.bar_rules import Facts
from app.market.bar_table import BarTable, Ints
from app.market.limits import tick_bands

_MOST_SHARES, _MOST_TWD = 2**32, 2**49
"""Below these a product with a price, or with a price's scale, stays within 64 bits. No share ever had more a day."""


def suspects(bars: BarTable, facts: Sequence[Facts]) -> list[int]:
    """The places of all *bars* but those that plainly break no rule, with the *facts* of each."""
    opened, high, low, close, change, volume, turnover = (
        bars.values[name] for name in ("open", "high", "low", "close", "change", "volume", "turnover")
    )
    whole = np.logical_and.reduce([one != ABSENT for one in (opened, high, low, volume, turnover)])
    whole &= (volume < _MOST_SHARES) & (turnover < _MOST_TWD)
    paid = 10_000 * np.where(whole, turnover, 0)
    shares = np.where(whole, volume, 0)
    plain = whole & (low <= opened) & (opened <= high) & (low <= close) & (close <= high)
    plain &= (low * shares <= paid) & (paid <= high * shares)
    # Of the highest price: a smaller one further down they will see.
    ticks = _ticks(high, facts)
    plain &= (opened % ticks == 0) & (high % ticks == 0) & (low % ticks == 0) & (close % ticks == 0)
    told = np.array([ABSENT if one.reference is None else one.reference for one in facts], np.int64)
    plain &= _within_limits(high, low, np.where(change == ABSENT, told, close - change), facts)
    return np.flatnonzero(~plain & (close != ABSENT)).tolist()


def _ticks(prices: Ints, facts: Sequence[Facts]) -> Ints:
    """The tick of each price; 1 where none is known."""
    kinds = [one.kind for one in facts]
    ticks = np.ones(len(prices), np.int64)
    for kind in {*kinds}:
        if kind is None:
            continue
        own = np.array([one is kind for one in kinds])
        starts, steps = tick_bands(kind)
        ticks[own] = np.array(steps)[np.searchsorted(starts, prices[own], side="right")]
    return ticks


def _within_limits(high: Ints, low: Ints, reference: Ints, facts: Sequence[Facts]) -> NDArray[np.bool_]:
    """True as well where nothing is known."""
    free = np.array([one.percent is None for one in facts], np.bool_)
    percent = np.array([one.percent or 0 for one in facts], np.int64)
    within = (100 * high <= reference * (100 + percent)) & (100 * low >= reference * (100 - percent))
    unknown: NDArray[np.bool_] = free | (reference == ABSENT)
    return unknown | within
