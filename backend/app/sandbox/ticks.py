"""The tick and limit rules of app.market.limits, over whole columns at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.market.limits import tick_bands
from app.market.security import SecurityKind

Ints = NDArray[np.int64]

_GROUPS = (SecurityKind.STOCK, SecurityKind.ETF, SecurityKind.WARRANT)
_BANDS = [tuple(np.array(part, dtype=np.int64) for part in tick_bands(kind)) for kind in _GROUPS]


def group_of(kind: SecurityKind) -> int:
    """Which of the three tick tables a kind uses."""
    bands = tick_bands(kind)
    return next(number for number, group in enumerate(_GROUPS) if tick_bands(group) == bands)


def tick_sizes(prices: NDArray[Any], groups: Ints) -> Ints:
    """The tick at each price."""
    return np.choose(groups, [ticks[np.searchsorted(starts, prices, side="right")] for starts, ticks in _BANDS])


def to_tick(prices: NDArray[Any], groups: Ints, *, rounding: Callable[[Any], Any] = np.round) -> Ints:
    """Each price on a tick of its band; never below one tick."""
    ticks = tick_sizes(prices, groups)
    rounded: Ints = np.maximum(rounding(prices / ticks), 1).astype(np.int64) * ticks
    return rounded


def limit_arrays(references: Ints, groups: Ints, percents: Ints) -> tuple[Ints, Ints]:
    """Limit-up and limit-down prices; meaningless where the percentage is 0."""
    raw_up = references * (100 + percents) // 100
    raw_down = -(-references * (100 - percents) // 100)
    up_ticks, down_ticks = tick_sizes(raw_up, groups), tick_sizes(raw_down, groups)
    return raw_up // up_ticks * up_ticks, -(-raw_down // down_ticks) * down_ticks
