"""The close of each synthetic security in each session, and whether there was any trade."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from app.market.limits import FREE_SESSIONS
from app.sandbox.noise import Index, hashes, uniform, wander
from app.sandbox.profiles import Profiles
from app.sandbox.synthetic_actions import SyntheticActions
from app.sandbox.ticks import limit_arrays, to_tick

_STEEPEST = 0.084
_BLOCK = 6  # halts lie within blocks of 64 sessions

# Streams of randomness, far enough apart for the octaves; 300 is that of ex-dates.
_MARKET, _OWN, _EVENT, _HALT, _QUIET = 100, 200, 400, 500, 600


class Closes:
    """Works on equally long arrays: positions of securities, numbers of sessions."""

    def __init__(self, profiles: Profiles, happens: SyntheticActions) -> None:
        self._profiles = profiles
        self._happens = happens

    def _path(self, at: Index, index: Index) -> NDArray[np.int64]:
        """The close before any session is moved onto its limit."""
        profiles = self._profiles
        place = self._happens.path_index(at, index)
        market = wander(profiles.market_key, _MARKET, place, steepest=_STEEPEST)
        own = wander(profiles.keys[at], _OWN, place, steepest=_STEEPEST)
        log = profiles.base[at] + profiles.swing[at] * (0.35 * market + 0.65 * own) + self._happens.level(at, index)
        return to_tick(np.exp(log) * 10_000, profiles.group[at])

    def suspended(self, at: Index, index: Index) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Whether each session is halted, and whether nobody trades in it."""
        profiles = self._profiles
        word = hashes(profiles.keys[at], _HALT, index >> _BLOCK)
        start = (word >> np.uint64(8)).astype(np.int64) % 56
        length = 2 + (word >> np.uint64(20)).astype(np.int64) % 6
        within = index & ((1 << _BLOCK) - 1)
        hit = (word & np.uint64(127)) == 0
        halted = hit & (within >= start) & (within < start + length) & profiles.can_halt[at]
        quiet = uniform(profiles.keys[at], _QUIET, index) < profiles.quiet[at]
        # The last close before an action is one that was traded.
        eventful = self._happens.eventful(at, index)
        return (halted & ~eventful) | self._happens.resting(at, index), quiet & ~eventful

    def closes(self, at: Index, index: Index) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The closes, limit days included, and the references from which their limits count if none came before."""
        profiles = self._profiles
        before, path, after = (self._path(at, index + step) for step in (-1, 0, 1))
        word = hashes(profiles.keys[at], _EVENT, index)
        wanted = (word & np.uint64(255)) == 0
        calm = (profiles.percent[at] == 10) & (index - profiles.listed_at[at] > FREE_SESSIONS + 1)
        for step in (-1, 0, 1):
            halted, quiet = self.suspended(at, index + step)
            calm &= ~self._happens.eventful(at, index + step) & ~halted & ~quiet
            if step:
                calm &= (hashes(profiles.keys[at], _EVENT, index + step) & np.uint64(255)) != 0
        up, down = limit_arrays(before, profiles.group[at], profiles.percent[at])
        rising = (word & np.uint64(256)) == 0
        # The session after must be able to come back to the path within its own limits.
        ratio = after / before
        to_up = wanted & calm & rising & (ratio > 1.005) & (ratio < 1.17)
        to_down = wanted & calm & ~rising & (ratio > 0.84) & (ratio < 0.98)
        return np.where(to_up, up, np.where(to_down, down, path)), before
