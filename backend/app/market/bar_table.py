"""A whole market's bars of one session by column: judged, compared and stored without an object a bar. Pure."""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.market.bar import ABSENT, BAR_FIELDS, Bar

Ints = NDArray[np.int64]


class BarTable(Sequence[Bar]):
    """Bars of one *session*, by column: one symbol and one integer a field for each; ABSENT stands for None.

    A Bar is made when somebody looks at one.
    """

    def __init__(self, symbols: Sequence[str], session: date, values: Mapping[str, Ints]) -> None:
        self.symbols = symbols
        self.session = session
        self.values = values

    @classmethod
    def of(cls, bars: Sequence[Bar]) -> BarTable:
        """*bars* of one session, at least one, as columns. Raises OverflowError for what no column can hold."""
        if isinstance(bars, cls):
            return bars
        values = {name: column([getattr(bar, name) for bar in bars]) for name in BAR_FIELDS}
        return cls([bar.symbol for bar in bars], bars[0].session, values)

    def __len__(self) -> int:
        return len(self.symbols)

    def __getitem__(self, place: Any) -> Any:
        """A Bar, or the table of a slice."""
        if isinstance(place, slice):
            return BarTable(
                self.symbols[place], self.session, {name: some[place] for name, some in self.values.items()}
            )
        cells = (int(self.values[name][place]) for name in BAR_FIELDS)
        return Bar(self.symbols[place], self.session, *(None if cell == ABSENT else cell for cell in cells))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BarTable) and tuple(self) == tuple(other)

    __hash__ = None  # type: ignore[assignment]

    def without(self, symbols: Collection[str]) -> BarTable:
        """All but the bars of *symbols*."""
        stay = [place for place, symbol in enumerate(self.symbols) if symbol not in symbols]
        return BarTable(
            [self.symbols[place] for place in stay],
            self.session,
            {name: some[stay] for name, some in self.values.items()},
        )


def column(values: Sequence[int | None]) -> Ints:
    """*values* as integers, ABSENT for None. Raises OverflowError beyond 64 bits."""
    known: Iterable[int] = values if None not in values else [ABSENT if one is None else one for one in values]  # type: ignore[assignment]
    return np.frombuffer(array("q", known), np.int64)  # in half the time of np.array


def symbols_of(bars: Sequence[Bar]) -> Sequence[str]:
    """The symbol of each."""
    return bars.symbols if isinstance(bars, BarTable) else [bar.symbol for bar in bars]


def sessions_of(bars: Sequence[Bar]) -> set[date]:
    """The sessions that they are of."""
    return ({bars.session} if bars else set()) if isinstance(bars, BarTable) else {bar.session for bar in bars}
