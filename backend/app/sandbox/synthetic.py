"""Synthetic prices: a pure function of (seed, security, session), so any cell reads the same whenever it is asked.

A security's close follows a bounded wandering path plus what it has earned since its last ex-date, so that each
ex-date lowers it by the dividend. A step of the path stays under 8.4 %, hence every close lies within the ±10 %
limits by construction; now and then a session is moved onto its limit where the sessions around it allow that.
Nothing is remembered between sessions: the reference of a session is computed from the close before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from app.market.limits import FREE_SESSIONS, NO_LIMIT_DOWN, NO_LIMIT_UP
from app.sandbox.action_lines import SyntheticTables
from app.sandbox.actions import Action
from app.sandbox.closes import Closes
from app.sandbox.listing import Listed, listed_securities, traded_securities
from app.sandbox.noise import Index, uniform
from app.sandbox.profiles import Profiles
from app.sandbox.rows import Comparison, DayRow, traded_row
from app.sandbox.sessions import ORIGIN, SessionList
from app.sandbox.synthetic_actions import BOTH, DIVIDEND, EX_KINDS, NONE, RARE, RIGHTS, SyntheticActions
from app.sandbox.ticks import limit_arrays, tick_sizes, to_tick

# Streams of randomness; those before are of ``closes``.
_OPEN, _HIGH, _LOW, _VOLUME, _BOOK, _ODD = range(700, 1300, 100)

_COMPARISONS = {
    NONE: Comparison.NORMAL,
    DIVIDEND: Comparison.EX_DIVIDEND,
    RIGHTS: Comparison.EX_RIGHTS,
    BOTH: Comparison.EX_BOTH,
    RARE: Comparison.NOT_COMPARABLE,
}


class SyntheticPrices:
    """The whole market from a seed, from 2010-01-04 on; keeps no prices in memory."""

    label = "synthetic"

    def __init__(self, *, seed: int = 2330) -> None:
        self._sessions = SessionList()
        self._traded = traded_securities()
        self._position = {listed.symbol: at for at, listed in enumerate(self._traded)}
        self._profiles = Profiles(self._traded, seed=seed, sessions=self._sessions)
        self._happens = SyntheticActions(self._profiles)
        self._closes = Closes(self._profiles, self._happens)
        self.actions = SyntheticTables(self.happened)
        self._everyone = np.arange(len(self._traded), dtype=np.int64)

    def sessions(self, start: date, end: date) -> Sequence[date]:
        """The trading calendar's sessions, the future included."""
        return self._sessions.between(start, end)

    def listing(self) -> Sequence[Listed]:
        """The shipped list."""
        return listed_securities()

    def day(self, session: date) -> Sequence[DayRow]:
        """Every security listed by *session*, sorted by symbol; empty where the market is closed."""
        index = self._sessions.index(session)
        if index is None:
            return ()
        listed = self._everyone[self._profiles.listed_at <= index]
        return self._rows(listed, np.full(len(listed), index, dtype=np.int64))

    def history(self, symbol: str, start: date, end: date) -> Sequence[DayRow]:
        """One security's rows from *start* to *end*; empty for an unknown symbol."""
        at = self._position.get(symbol)
        if at is None or end < start or end < ORIGIN:
            return ()
        first = max(self._sessions.first_at_or_after(start), int(self._profiles.listed_at[at]))
        last = self._sessions.first_at_or_after(end + timedelta(days=1))
        indexes = np.arange(first, last, dtype=np.int64)
        return self._rows(np.full(len(indexes), at, dtype=np.int64), indexes)

    def happened(self, start: date, end: date) -> Sequence[Action]:
        """Every corporate action whose ex-date lies from *start* to *end*, by date and symbol."""
        first = max(self._sessions.first_at_or_after(start), 1)
        last = self._sessions.first_at_or_after(end + timedelta(days=1)) - 1
        if last < first:
            return ()
        at, index = self._happens.sessions(self._everyone, first, last)
        before, _ = self._closes.closes(at, index - 1)
        reference, what = self._happens.reference(at, index, before)
        up, down = self._limits(at, index, reference)
        opening = to_tick(reference, self._profiles.group[at])
        columns = (at, index, what, before, reference, up, down, opening, *self._happens.taken(at, index, before))
        rare = self._profiles.rare
        actions = []
        for line in zip(*(column.tolist() for column in columns), strict=True):
            place, number, sort, close, taken_from, top, bottom, start_price, cash, shares = line
            if sort == NONE:
                continue
            action = Action(
                listed=self._traded[place],
                session=self._sessions.at(number),
                kind=rare.kind(place) if sort == RARE else EX_KINDS[sort],
                previous_close=close,
                reference=taken_from,
                limit_up=top,
                limit_down=bottom,
                opening=start_price,
                cash=cash,
                free_shares=shares,
                halted_on=self._sessions.at(number - int(rare.halt[place])) if sort == RARE else None,
            )
            actions.append(action)
        return sorted(actions, key=lambda one: (one.session, one.listed.symbol))

    # ---- what follows works on equally long arrays: positions of securities, numbers of sessions

    def _limits(
        self, at: Index, index: Index, reference: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        profiles = self._profiles
        up, down = limit_arrays(reference, profiles.group[at], profiles.percent[at])
        free = (profiles.percent[at] == 0) | (profiles.is_share[at] & (index - profiles.listed_at[at] < FREE_SESSIONS))
        return np.where(free, NO_LIMIT_UP, up), np.where(free, NO_LIMIT_DOWN, down)

    def _rows(self, at: Index, index: Index) -> list[DayRow]:
        if not len(at):
            return []
        profiles = self._profiles
        keys, group = profiles.keys[at], profiles.group[at]
        close, _ = self._closes.closes(at, index)
        reference, what = self._happens.reference(at, index, self._closes.closes(at, index - 1)[0])
        next_reference, _ = self._happens.reference(at, index + 1, close)
        up, down = self._limits(at, index, reference)
        next_up, next_down = self._limits(at, index + 1, next_reference)
        close = np.clip(close, down, up)
        wide = 0.012 * profiles.swing[at]
        lean = uniform(keys, _OPEN, index)
        opening = np.clip(
            to_tick(reference + (close - reference) * lean + reference * wide * (lean - 0.5), group), down, up
        )
        top, bottom = np.maximum(opening, close), np.minimum(opening, close)
        high = np.minimum(to_tick(top * (1 + wide * uniform(keys, _HIGH, index) ** 2), group, rounding=np.ceil), up)
        low = np.maximum(to_tick(bottom * (1 - wide * uniform(keys, _LOW, index) ** 2), group, rounding=np.floor), down)
        high, low = np.maximum(high, top), np.minimum(low, bottom)

        moved = np.abs(close / reference - 1)
        size = np.exp(profiles.liquidity[at] + 1.6 * (uniform(keys, _VOLUME, index) - 0.5)) * (1 + 15 * moved)
        volume = np.maximum(size.astype(np.int64), 1) * 1000 + (uniform(keys, _ODD, index) * 1000).astype(np.int64)
        turnover = volume * ((opening + high + low + 2 * close) // 5) // 10_000
        trades = np.maximum(1, volume // (1000 * (1 + volume // 10_000_000)) * 7 // 10)

        halted, quiet = self._closes.suspended(at, index)
        missing = halted | quiet
        halted_before, quiet_before = self._closes.suspended(at, index - 1)
        fresh = (index <= profiles.listed_at[at]) | halted_before | quiet_before
        comparison = np.where(what, what, np.where(fresh, RARE, NONE))
        # Nobody trades a round lot, yet odd lots may change hands: volume without a price, as the venues show it.
        odd = np.where(quiet & ~halted, (uniform(keys, _ODD, index) * 600).astype(np.int64) - 200, 0).clip(0)
        volume = np.where(missing, odd, volume)
        turnover = np.where(missing, odd * close // 10_000, turnover)
        trades = np.where(missing, (odd + 29) // 30, trades)

        tick = tick_sizes(close, group)
        ask = np.where(close >= up, 0, to_tick(close + tick, group))
        bid = np.where(close <= down, 0, close)
        book = uniform(keys, _BOOK, index)
        columns = [
            opening, high, low, close, reference, up, down, next_reference, next_up, next_down,
            volume, turnover, trades, bid, ask,
            (book * 300).astype(np.int64) + 1, ((1 - book) * 300).astype(np.int64) + 1, profiles.issued[at],
        ]  # fmt: skip
        compared = (_COMPARISONS[code] for code in comparison.tolist())
        flags = zip(missing.tolist(), halted.tolist(), compared, strict=True)
        days = {number: self._sessions.at(number) for number in set(index.tolist())}
        return [
            traded_row(self._traded[position], days[number], values, flag)
            for position, number, values, flag in zip(
                at.tolist(),
                index.tolist(),
                zip(*(column.tolist() for column in columns), strict=True),
                flags,
                strict=True,
            )
        ]
