"""The five counts of a run and of each of its units."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Counts:
    """In rows; None where nobody counted: absent, never zero. ``stored`` = inserted + updated."""

    expected: int | None = None
    fetched: int | None = None
    stored: int | None = None
    unchanged: int | None = None
    quarantined: int | None = None

    def __add__(self, other: Counts) -> Counts:
        """Summed where either side counted."""
        return Counts(**{name: _sum(value, getattr(other, name)) for name, value in self.as_dict().items()})

    def as_dict(self) -> dict[str, int | None]:
        """Column → value."""
        return {name: getattr(self, name) for name in self.__slots__}  # asdict would copy deeply, at each run's end


def _sum(left: int | None, right: int | None) -> int | None:
    if left is None or right is None:
        return right if left is None else left
    return left + right


def split_counts(columns: dict[str, Any]) -> dict[str, Any]:
    """A row's columns with its five counts gathered under ``counts``."""
    names = Counts.__slots__
    return {k: v for k, v in columns.items() if k not in names} | {"counts": Counts(**{n: columns[n] for n in names})}
