"""A sandbox exchange of few securities, so that a sync takes seconds: ``python -m tests.chaos.exchange PORT``.

Its clock stands still at an evening of the past: whatever the real time is, the same sessions are published.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import date, datetime

import numpy as np
import uvicorn

from app.core.config import load_universes
from app.market.calendar import TAIPEI
from app.market.security import SecurityKind, Venue
from app.sandbox.listing import Listed, traded_securities
from app.sandbox.rows import DayRow
from app.sandbox.server import create_app, fixed_clock
from app.sandbox.synthetic import SyntheticPrices

END = date(2025, 6, 30)
NOW = datetime(2025, 6, 30, 21, 0, tzinfo=TAIPEI)
A_VENUE = 30
"""Securities of each venue."""


class FewPrices(SyntheticPrices):
    """The same prices of a few long-listed stocks of each venue, the popular ones among them."""

    def __init__(self) -> None:
        super().__init__()
        popular = set(load_universes()["popular"])
        old = [
            one
            for one in traded_securities()
            if one.security.kind is SecurityKind.STOCK
            and one.security.listed_on is not None
            and one.security.listed_on < date(2015, 1, 1)
        ]
        old.sort(key=lambda one: (one.symbol not in popular, one.symbol))
        chosen = [one for venue in (Venue.TWSE, Venue.TPEX) for one in _of(venue, old)]
        self._few = sorted(chosen, key=lambda one: one.symbol)
        self._chosen = np.array([self._position[one.symbol] for one in self._few], dtype=np.int64)

    def listing(self) -> Sequence[Listed]:
        """The few, and the emerging board, whose list is fetched too."""
        emerging = [one for one in super().listing() if one.security.venue is Venue.EMERGING]
        return [*self._few, *emerging]

    def day(self, session: date) -> Sequence[DayRow]:
        """The few in that session."""
        index = self._sessions.index(session)
        return () if index is None else self._rows(self._chosen, np.full(len(self._chosen), index, dtype=np.int64))


def _of(venue: Venue, listed: Sequence[Listed]) -> Sequence[Listed]:
    return [one for one in listed if one.security.venue is venue][:A_VENUE]


if __name__ == "__main__":
    application = create_app(FewPrices(), clock=fixed_clock(NOW))
    uvicorn.run(application, port=int(sys.argv[1]), log_level="warning", access_log=False, lifespan="off", ws="none")
