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
from app.sandbox.listing import Listed, listed_securities, traded_securities
from app.sandbox.noise import Index, hashes, uniform, wander
from app.sandbox.profiles import Profiles
from app.sandbox.rows import DayRow, traded_row
from app.sandbox.sessions import ORIGIN, SessionList
from app.sandbox.ticks import limit_arrays, tick_sizes, to_tick

_STEEPEST = 0.084
_YEAR = 245  # sessions, about
_BLOCK = 6  # halts lie within blocks of 64 sessions

# Streams of randomness, far enough apart for the octaves.
_MARKET, _OWN, _EX, _EVENT, _HALT, _QUIET, _OPEN, _HIGH, _LOW, _VOLUME, _BOOK, _ODD = range(100, 1300, 100)


class SyntheticPrices:
    """The whole market from a seed, from 2010-01-04 on; keeps no prices in memory."""

    label = "synthetic"

    def __init__(self, *, seed: int = 2330) -> None:
        self._sessions = SessionList()
        self._traded = traded_securities()
        self._position = {listed.symbol: at for at, listed in enumerate(self._traded)}
        self._profiles = Profiles(self._traded, seed=seed, sessions=self._sessions)
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

    # ---- what follows works on equally long arrays: positions of securities, numbers of sessions

    def _yearly(self, at: Index, index: Index) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
        """Whether each session is an ex-date, and how many years' dividend the price holds."""
        profiles = self._profiles
        starts = profiles.year_starts(index)
        year = np.searchsorted(starts, index, side="right") - 1

        def ex_date(which: Index) -> Index:
            jitter = (uniform(profiles.keys[at], _EX, which) * 15).astype(np.int64)
            return starts[which] + profiles.season[at] + jitter

        this = ex_date(year)
        last = np.where(index >= this, this, ex_date(year - 1))
        return index == this, (index - last) / _YEAR

    def _path(self, at: Index, index: Index) -> NDArray[np.int64]:
        """The close before any session is moved onto its limit."""
        profiles = self._profiles
        market = wander(profiles.market_key, _MARKET, index, steepest=_STEEPEST)
        own = wander(profiles.keys[at], _OWN, index, steepest=_STEEPEST)
        _, held = self._yearly(at, index)
        log = profiles.base[at] + profiles.swing[at] * (0.35 * market + 0.65 * own) + profiles.dividend[at] * held
        return to_tick(np.exp(log) * 10_000, profiles.group[at])

    def _dividend(self, at: Index, index: Index, close_before: NDArray[np.int64]) -> NDArray[np.int64]:
        """What the reference of each session loses to a dividend, in whole cents; 0 on other days."""
        ex, _ = self._yearly(at, index)
        _, held = self._yearly(at, index - 1)
        cents = np.round(close_before * (1 - np.exp(-self._profiles.dividend[at] * held)) / 100)
        return np.where(ex, cents * 100, 0).astype(np.int64)

    def _suspended(self, at: Index, index: Index) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Whether each session is halted, and whether nobody trades in it."""
        profiles = self._profiles
        word = hashes(profiles.keys[at], _HALT, index >> _BLOCK)
        start = (word >> np.uint64(8)).astype(np.int64) % 56
        length = 2 + (word >> np.uint64(20)).astype(np.int64) % 6
        within = index & ((1 << _BLOCK) - 1)
        hit = (word & np.uint64(127)) == 0
        halted = hit & (within >= start) & (within < start + length) & profiles.can_halt[at]
        quiet = uniform(profiles.keys[at], _QUIET, index) < profiles.quiet[at]
        return halted, quiet

    def _closes(self, at: Index, index: Index) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The closes, limit days included, and the references from which their limits count if none came before."""
        profiles = self._profiles
        before, path, after = (self._path(at, index + step) for step in (-1, 0, 1))
        word = hashes(profiles.keys[at], _EVENT, index)
        wanted = (word & np.uint64(255)) == 0
        calm = (profiles.percent[at] == 10) & (index - profiles.listed_at[at] > FREE_SESSIONS + 1)
        for step in (-1, 0, 1):
            ex, _ = self._yearly(at, index + step)
            halted, quiet = self._suspended(at, index + step)
            calm &= ~ex & ~halted & ~quiet
            if step:
                calm &= (hashes(profiles.keys[at], _EVENT, index + step) & np.uint64(255)) != 0
        up, down = limit_arrays(before, profiles.group[at], profiles.percent[at])
        rising = (word & np.uint64(256)) == 0
        # The session after must be able to come back to the path within its own limits.
        ratio = after / before
        to_up = wanted & calm & rising & (ratio > 1.005) & (ratio < 1.17)
        to_down = wanted & calm & ~rising & (ratio > 0.84) & (ratio < 0.98)
        return np.where(to_up, up, np.where(to_down, down, path)), before

    def _reference(self, at: Index, index: Index) -> NDArray[np.int64]:
        close_before, _ = self._closes(at, index - 1)
        return close_before - self._dividend(at, index, close_before)

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
        close, _ = self._closes(at, index)
        reference = self._reference(at, index)
        next_reference = close - self._dividend(at, index + 1, close)
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

        halted, quiet = self._suspended(at, index)
        missing = halted | quiet
        halted_before, quiet_before = self._suspended(at, index - 1)
        fresh = (index <= profiles.listed_at[at]) | halted_before | quiet_before
        ex = self._dividend(at, index, reference) > 0
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
        flags = zip(missing.tolist(), halted.tolist(), fresh.tolist(), ex.tolist(), strict=True)
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
