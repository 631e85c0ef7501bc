"""Whether a program still goes on: a sign of life every few seconds, or it counts as wedged."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from app.runtime.program import Program


@dataclass(frozen=True, slots=True)
class Vigil:
    """How closely programs are watched, in seconds.

    Attributes:
        every: between two looks.
        wedged_after: how long one that served may give no sign.
        slow_start: how many times its ``ready_within`` it may give none before it ever served.
    """

    every: float = 5.0
    wedged_after: float = 60.0
    slow_start: float = 2.0


async def until_wedged(program: Program, ready: asyncio.Event, vigil: Vigil) -> float:
    """Return once *program* has given no sign of life for too long, with the seconds; for ever if it shows none."""
    sign = _sign_of(program)
    if sign is None:
        await asyncio.Event().wait()
        raise AssertionError  # pragma: no cover - nobody sets that event
    clock = asyncio.get_running_loop().time
    silent, looked = 0.0, clock()
    while True:
        await asyncio.sleep(vigil.every)
        seen = await asyncio.to_thread(sign)
        now = clock()
        # If it was we who stood still (a closed lid, a stopped supervisor), that is held against nobody.
        silent = 0.0 if seen else silent + min(now - looked, 3 * vigil.every)
        looked = now
        if silent >= (vigil.wedged_after if ready.is_set() else vigil.slow_start * program.ready_within):
            return silent


def _sign_of(program: Program) -> Callable[[], bool] | None:
    if program.alive_file is not None:
        return _Touched(program.alive_file)
    return program.alive


class _Touched:
    """True when the file was touched since the last call. Not by its age: clocks are set."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._last: int | None = None

    def __call__(self) -> bool:
        try:
            at = self._path.stat().st_mtime_ns
        except OSError:
            return False
        before, self._last = self._last, at
        return at != before
