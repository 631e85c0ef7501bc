"""Factors as arrays: those of many securities, for millions of bars at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from app.market.adjustment import Factors

_DAY_BITS = 32


@dataclass(frozen=True, slots=True)
class FactorPanel:
    """The factors of many securities, for arrays of bars; securities without an action are not in it."""

    keys: NDArray[np.int64]
    """Sorted: a security's id and the day (``date.toordinal``) from which the factor at the same place holds."""
    factors: NDArray[np.float64]

    def factors_at(self, ids: NDArray[np.int64], sessions: NDArray[np.int64]) -> NDArray[np.float64]:
        """The factor of each (id, session), sessions as ``date.toordinal`` counts; 1 where nothing ever happened."""
        if not len(self.keys):
            return np.ones(len(ids))
        places = np.searchsorted(self.keys, (ids << _DAY_BITS) + sessions, side="right") - 1
        return np.where(self.keys[places] >> _DAY_BITS == ids, self.factors[places], 1.0)


def factor_panel(factors: Mapping[int, Factors]) -> FactorPanel:
    """The factors of many securities by id (above zero), each rounded once to the nearest float."""
    steps = sorted(
        ((security_id << _DAY_BITS) + day, float(value))
        for security_id, of_one in factors.items()
        if of_one.ex_dates
        for day, value in zip((0, *map(date.toordinal, of_one.ex_dates)), of_one.values, strict=True)
    )
    return FactorPanel(
        np.array([key for key, _ in steps], np.int64), np.array([value for _, value in steps], np.float64)
    )
