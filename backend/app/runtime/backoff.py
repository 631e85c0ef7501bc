"""How long to wait before a program that died is started again."""

from __future__ import annotations

import random


class Backoff:
    """Doubles from ``first`` to ``longest`` seconds, with jitter; starts over after ``healthy`` seconds of life."""

    def __init__(self, *, first: float = 0.4, longest: float = 30.0, healthy: float = 60.0) -> None:
        # `first` also lets PostgreSQL's shared memory of a crashed server go: an instant respawn is refused.
        self._first = first
        self._longest = longest
        self._healthy = healthy
        self.deaths = 0

    def after(self, *, lived: float) -> float:
        """Seconds to wait now that the program died after ``lived`` seconds."""
        if lived >= self._healthy:
            self.deaths = 0
        self.deaths += 1
        # Without the bound on the exponent a program that dies for weeks would overflow the float.
        delay = min(self._longest, self._first * 2.0 ** min(self.deaths - 1, 20))
        # Programs that died together shall not come back together.
        return delay * random.uniform(1.0, 1.25)  # noqa: S311 - no secret
