"""What each synthetic security is like: its price level, swing, dividend, liquidity; columns for numpy."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import numpy as np
from numpy.typing import NDArray

from app.market.limits import limit_percent
from app.market.security import Security, SecurityKind
from app.sandbox.listing import Listed, is_foreign_fund
from app.sandbox.noise import Index, text_key, uniform
from app.sandbox.rare import RareActions
from app.sandbox.sessions import ORIGIN, SessionList
from app.sandbox.ticks import group_of

_LEVELS = {
    "0050": 90, "0056": 37, "1301": 60, "1303": 55, "2002": 24, "2308": 400, "2317": 170, "2330": 1000,
    "2357": 480, "2412": 125, "2454": 1200, "2603": 190, "2881": 75, "2882": 62, "2886": 39, "2891": 38,
    "2892": 27, "3008": 2400, "5274": 3000, "6488": 430, "8069": 230,
}  # fmt: skip
"""TWD around which well-known securities wander, so that they look familiar."""

_SHARES = (SecurityKind.STOCK, SecurityKind.INNOVATION)
_FOREVER = -1_000_000


class Profiles:
    """One column a trait, in the order of *traded*; every value hangs on the seed and the symbol alone."""

    def __init__(self, traded: Sequence[Listed], *, seed: int, sessions: SessionList) -> None:
        self._sessions = sessions
        securities = [each.security for each in traded]
        self.keys = np.array([text_key(seed, each.symbol) for each in securities], dtype=np.uint64)
        self.market_key = np.array([text_key(seed, "market")], dtype=np.uint64)
        nothing = np.zeros(len(securities), dtype=np.int64)

        def draw(stream: int) -> NDArray[np.float64]:
            return uniform(self.keys, stream, nothing)

        warrant = np.array([each.kind is SecurityKind.WARRANT for each in securities])
        fund = np.array([each.kind in (SecurityKind.ETF, SecurityKind.ETN, SecurityKind.REIT) for each in securities])
        self.is_share = np.array([each.kind in _SHARES for each in securities])
        self.group = np.array([group_of(each.kind) for each in securities], dtype=np.int64)
        percents = [limit_percent(each.symbol, each.kind, foreign=is_foreign_fund(each)) for each in securities]
        self.percent = np.array([percent or 0 for percent in percents], dtype=np.int64)
        self.listed_at = np.array([_listed_at(each, sessions) for each in securities], dtype=np.int64)

        level = np.where(warrant, 0.3 + 3 * draw(1), np.where(fund, 12 + 30 * draw(1), np.exp(2.5 + 2.4 * draw(1))))
        level = np.array([_LEVELS.get(each.symbol, price) for each, price in zip(securities, level, strict=True)])
        self.base = np.log(level)
        self.swing = np.where(fund, 0.45, 0.55 + 0.45 * draw(2))
        self.dividend = np.where(warrant | (draw(3) < 0.15), 0.0, 0.015 + 0.04 * draw(4))
        # Most go ex in summer; enough of them at any other time that no month is without.
        summer = draw(8) < 0.6
        self.season = np.where(summer, 110 + 60 * draw(9), 5 + 210 * draw(9)).astype(np.int64)
        known = np.array([each.symbol in _LEVELS for each in securities])
        self.liquidity = np.where(known, 9.5, 1.0 + 8.0 * draw(5) ** 1.3 - 2.5 * warrant)  # log of lots a session
        self.rare = RareActions(traded, self.keys, season=self.season, known=known)
        plain = self.rare.year == 0
        self.pays_shares = self.is_share & plain & (self.dividend > 0)
        self.quiet = plain * np.where(warrant, 0.5, np.where(self.liquidity < 2.2, 0.25 * draw(6), 0.0))
        self.can_halt = plain & ~known & ~warrant & ~fund
        self.issued = (2_000_000 + (draw(7) ** 3 * 3_000_000)).astype(np.int64) * np.where(known, 1000, 100)

    def year_starts(self, index: Index) -> Index:
        """The first session's number of each year from 2008 on, past the year of the largest *index*.

        2008 and 2009, before the first session, are continued backwards: the first ex-date needs one before it.
        """
        last = self._sessions.year_of(int(index.max()))
        first = ORIGIN.year
        known = [self._sessions.first_at_or_after(date(year, 1, 1)) for year in range(first, last + 1)]
        return np.array([-490, -245, *known], dtype=np.int64)


def _listed_at(security: Security, sessions: SessionList) -> int:
    """The number of the first session; warrants and those older than the sandbox count as always listed."""
    listed = security.listed_on
    if security.kind is SecurityKind.WARRANT or listed is None or listed <= ORIGIN:
        return _FOREVER
    return sessions.first_at_or_after(listed)
