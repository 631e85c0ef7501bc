"""Figures: what a venue publishes of a security and session besides its bar. Whole numbers under named fields."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum


class Unit(StrEnum):
    """What a field counts. Ratios and points are held in 1/10,000: 30.79 is 307,900, and 5.41 % is 541."""

    SHARES = "shares"
    TWD = "TWD"
    RATIO = "ratio"
    POINTS = "points"

    @property
    def scale(self) -> int:
        """How much of what is held makes one."""
        return SCALE if self in (Unit.RATIO, Unit.POINTS) else 1


SCALE = 10_000


def in_unit(value: int, unit: Unit) -> Decimal:
    """What is held, in its unit; exact."""
    return Decimal(value) / unit.scale


TAIEX = "TAIEX"
TPEX_INDEX = "TPEX"
"""The broad indices, by their own names. They are figures only: no list, universe or count of securities has them."""


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of one dataset. What is absent is None; a field that the venue did not publish then is missing."""

    symbol: str
    session: date
    values: Mapping[str, int | None]

    def __hash__(self) -> int:
        return hash((self.symbol, self.session, frozenset(self.values.items())))
