"""When a synthetic security has a corporate action, and what that makes of its price.

Each ex-date takes off what the price has gathered since the one before: cash, free shares or both. The rare actions
(``rare.py``) move the price by a round factor after some sessions without trade.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from app.market.corporate_action import ActionKind
from app.sandbox.noise import Index, uniform
from app.sandbox.profiles import Profiles
from app.sandbox.rare import NEVER

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_YEAR = 245  # sessions, about
_EX, _SORT, _FREE = 300, 1300, 1400
CENT = 100

NONE, DIVIDEND, RIGHTS, BOTH, RARE = range(5)
"""What happens in a session; RARE is told apart by the security."""
EX_KINDS = {DIVIDEND: ActionKind.DIVIDEND, RIGHTS: ActionKind.RIGHTS, BOTH: ActionKind.DIVIDEND_AND_RIGHTS}


class SyntheticActions:
    """Works on equally long arrays: positions of securities, numbers of sessions."""

    def __init__(self, profiles: Profiles) -> None:
        self._profiles = profiles
        self._rare = profiles.rare

    def _ex_date(self, at: Index, year: Index, starts: Index) -> Index:
        jitter = (uniform(self._profiles.keys[at], _EX, year) * 15).astype(np.int64)
        return starts[year] + self._profiles.season[at] + jitter

    def _gathered(self, at: Index, index: Index) -> tuple[Bools, Floats, Floats]:
        """Whether each session is an ex-date; what cash and what free shares make of the price's logarithm so far."""
        starts = self._profiles.year_starts(index)
        year = np.searchsorted(starts, index, side="right") - 1
        this = self._ex_date(at, year, starts)
        last = np.where(index >= this, this, self._ex_date(at, year - 1, starts))
        keys, held = self._profiles.keys[at], (index - last) / _YEAR
        coming = np.where(index >= this, year + 1, year)
        sort = uniform(keys, _SORT, coming)
        shares = (sort > 0.85) & self._profiles.pays_shares[at]
        cash = np.where(shares & (sort > 0.95), 0.0, self._profiles.dividend[at])
        free = np.where(shares, 0.02 + 0.13 * uniform(keys, _FREE, coming), 0.0)
        return index == this, cash * held, free * held

    def ex_date(self, at: Index, index: Index) -> Bools:
        """Whether each session is an ex-date, were there anything to take off."""
        return self._gathered(at, index)[0]

    def path_index(self, at: Index, index: Index) -> Index:
        """The session whose place in the price path holds: a path stands still while trading rests."""
        event, halt = self._rare_session(at, index), self._rare.halt[at]
        place: Index = index - np.clip(index - event + halt + 1, 0, halt)
        return place

    def level(self, at: Index, index: Index) -> Floats:
        """What is added to the price's logarithm: what was gathered, and what a rare action will take off."""
        event = self._rare_session(at, index)
        _, cash, free = self._gathered(at, np.where(self.resting(at, index), event - self._rare.halt[at] - 1, index))
        before = np.log(self._rare.below[at] / self._rare.above[at])
        level: Floats = cash + free + np.where(index < event, before, 0.0)
        return level

    def resting(self, at: Index, index: Index) -> Bools:
        """Whether trading rests for a rare action to come."""
        event = self._rare_session(at, index)
        resting: Bools = (index >= event - self._rare.halt[at]) & (index < event)
        return resting

    def eventful(self, at: Index, index: Index) -> Bools:
        """Whether each session has an action, or the one after it: trade is certain then, whatever else is drawn."""
        here = self.ex_date(at, index) | self.ex_date(at, index + 1)
        last = self._rare_session(at, index) - self._rare.halt[at] - 1
        certain: Bools = here | (index == last) | (index == last + self._rare.halt[at] + 1)
        return certain

    def _rare_session(self, at: Index, index: Index) -> Index:
        return self._rare.session(at, self._profiles.year_starts(index))

    def taken(self, at: Index, index: Index, close_before: Ints) -> tuple[Ints, Ints]:
        """The cash a share (whole cents) and the free shares a thousand that each session takes off."""
        ex = self.ex_date(at, index) & (index > self._profiles.listed_at[at])
        _, cash, free = self._gathered(at, index - 1)
        cents = np.round(close_before * (1 - np.exp(-cash)) / CENT).astype(np.int64) * CENT
        shares = np.round(1000 * (np.exp(free) - 1)).astype(np.int64)
        return np.where(ex, cents, 0), np.where(ex, shares, 0)

    def reference(self, at: Index, index: Index, close_before: Ints) -> tuple[Ints, Ints]:
        """The price that each session's limits are counted from, and what happens in it (NONE … RARE)."""
        cash, shares = self.taken(at, index, close_before)
        above, below = (close_before - cash) * 1000, 1000 + shares
        event = self._rare_session(at, index)
        rare = index == event
        above = np.where(rare, close_before * self._rare.above[at], above)
        below = np.where(rare, self._rare.below[at], below)
        plain = (cash == 0) & (shares == 0) & ~rare
        reference = np.where(plain, close_before, np.round(above / below / CENT).astype(np.int64) * CENT)
        what = np.select([rare, (cash > 0) & (shares > 0), shares > 0, cash > 0], [RARE, BOTH, RIGHTS, DIVIDEND], NONE)
        return np.maximum(reference, CENT), what.astype(np.int64)

    def sessions(self, at: Index, first: int, last: int) -> tuple[Index, Index]:
        """The positions and the numbers of the sessions from *first* to *last* that are ex-dates or rare actions."""
        starts = self._profiles.year_starts(np.array([last], dtype=np.int64))
        years = [year for year in range(len(starts)) if starts[year] <= last and starts[year] + 2 * _YEAR >= first]
        ex_dates = [self._ex_date(at, np.full(len(at), year, dtype=np.int64), starts) for year in years]
        found = [(at, numbers) for numbers in (*ex_dates, self._rare.session(at, starts))]
        places, numbers = (np.concatenate([pair[number] for pair in found]) for number in (0, 1))
        inside = (numbers >= first) & (numbers <= last) & (numbers != NEVER)
        return places[inside], numbers[inside]
