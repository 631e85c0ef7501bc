"""The rare actions of the synthetic exchange: each year, on each venue, a reduction, a par change and a fund's split.

A security has at most one of them in all its life. Its price is what its profile says after the action, and a round
multiple of that before; trading rests for some sessions, in which its price path stands still too.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from app.market.corporate_action import ActionKind
from app.market.security import SecurityKind, Venue
from app.sandbox.listing import Listed
from app.sandbox.noise import Index, Keys, hashes

FIRST_YEAR, LAST_YEAR = 2011, 2045
NEVER = 1 << 40
"""The session of an action that a security does not have, or whose year the calendar does not know yet."""

_PICK, _RATIO, _HALT = 2100, 2200, 2300
_STREAMS = 100
_RATIOS = {
    ActionKind.REDUCTION: ((1000, 300), (1000, 500), (1000, 600), (1000, 720), (1000, 800)),
    ActionKind.PAR_CHANGE: ((1, 2), (2, 5), (1, 4), (1, 5), (1, 10)),
    ActionKind.SPLIT: ((1, 4), (1, 5), (1, 7), (1, 10)),
    ActionKind.REVERSE_SPLIT: ((4, 1), (5, 1), (7, 1)),
}
"""New price over old one, as a fraction."""
_KINDS = tuple(_RATIOS)


class RareActions:
    """One column a trait, in the order of *traded*; which security has what hangs on *keys* alone."""

    def __init__(self, traded: Sequence[Listed], keys: Keys, *, season: Index, known: NDArray[np.bool_]) -> None:
        many = len(traded)
        self.year = np.zeros(many, dtype=np.int64)
        self._kind = np.zeros(many, dtype=np.int64)
        self.above = np.ones(many, dtype=np.int64)
        self.below = np.ones(many, dtype=np.int64)
        self.halt = np.zeros(many, dtype=np.int64)
        # Far from the security's own ex-date, which lies within fifteen sessions from its season on.
        self._offset = np.where(season < 150, season + 65, season - 60)
        free = ~known
        listed_in = np.array([one.security.listed_on.year if one.security.listed_on else 0 for one in traded])
        markets = np.array([str(one.security.venue) for one in traded])
        sorts = np.array([str(one.security.kind) for one in traded])
        for year in range(FIRST_YEAR, LAST_YEAR + 1):
            funds = ActionKind.REVERSE_SPLIT if year % 2 else ActionKind.SPLIT
            for venue in (Venue.TWSE, Venue.TPEX):
                for kind in (ActionKind.REDUCTION, ActionKind.PAR_CHANGE, funds):
                    wanted = SecurityKind.ETF if kind is funds else SecurityKind.STOCK
                    fit = free & (markets == venue) & (sorts == wanted) & (listed_in + 2 <= year)
                    if fit.any():
                        self._choose(np.nonzero(fit)[0], keys, year=year, kind=kind)
                        free &= self.year == 0

    def _choose(self, places: Index, keys: Keys, *, year: int, kind: ActionKind) -> None:
        number = _KINDS.index(kind)
        years = np.full(len(places), year * _STREAMS + number, dtype=np.int64)
        at = places[np.argmin(hashes(keys[places], _PICK, years))]
        word = [int(hashes(keys[at : at + 1], stream, years[:1])[0]) for stream in (_RATIO, _HALT)]
        ratios = _RATIOS[kind]
        self.year[at], self._kind[at] = year, number
        self.above[at], self.below[at] = ratios[word[0] % len(ratios)]
        self.halt[at] = 4 + word[1] % 4

    def kind(self, at: int) -> ActionKind:
        """Of a security that has one."""
        return _KINDS[int(self._kind[at])]

    def session(self, at: Index, starts: Index) -> Index:
        """The number of the session of each security's action; *starts* of the years from 2008 on."""
        year = self.year[at] - 2008
        there = (year >= 0) & (year < len(starts))
        return np.where(there, starts[np.where(there, year, 0)] + self._offset[at], NEVER)
