"""Whether a session's bars go on where the session beside it ended: close − change is the close before. Pure.

In the panel (see ``bar_rules.py``; 304,835 pairs of a share's neighbouring bars) 1,442 do not: the 1,417 ex-dates to
which it gives a change of 0, and the 25 others of which it lost that they are not comparable. Those are 4.3 % of the
worst day, 1.9 % where the ex-dates are left out; had the venue answered with the session before, it were 84 % of the
best day and more, as each price that moved differs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from app.market.bar import ABSENT, to_decimal
from app.market.bar_rules import Broken
from app.market.bar_table import BarTable, Ints
from app.market.calendar import TradingCalendar, is_session
from app.market.quality import FEW

FAR = 0.2
"""Above this share of the comparable rows the reply is in doubt, not its rows."""
_LONGEST_BREAK = 20  # days: New Year's
_NO_MORE_SATURDAYS = 2019


@dataclass(frozen=True, slots=True)
class Beside:
    """A session *before* the one in question, with the close of each of its bars; or one after it, with close − change.

    ABSENT where it has none.
    """

    session: date
    before: bool
    prices: Ints


def sessions_beside(session: date, calendar: TradingCalendar) -> tuple[date | None, date | None]:
    """The sessions before and after, with no day between on which there may have been one.

    A closure that the exchange alone told of is none here, nor a Saturday of the years that had some: where we are
    wrong about a day between, whole good replies would be refused.
    """

    def may_be(day: date) -> bool:
        saturday = day.weekday() == 5 and day.year < _NO_MORE_SATURDAYS
        return saturday or is_session(day) or calendar.is_session(day)

    away = [timedelta(days=days) for days in range(1, _LONGEST_BREAK)]
    before = next((session - days for days in away if may_be(session - days)), None)
    after = next((session + days for days in away if may_be(session + days)), None)
    return before, after


@dataclass(frozen=True, slots=True)
class Comparison:
    """The places of bars that do not fit the session *beside* them, and how many can be compared."""

    beside: Beside
    broken: Mapping[int, Broken]
    compared: int

    @property
    def doubts(self) -> bool:
        """Whether it says that the bars are another session's."""
        return len(self.broken) > max(FEW, FAR * self.compared)

    @property
    def vouches(self) -> bool:
        """Whether it says that they are not."""
        return self.compared > FEW and not self.doubts


def compare(bars: BarTable, beside: Beside) -> Comparison:
    """Hold *bars* against the session *beside* theirs. What did not trade on both is not compared."""
    close, change = bars.values["close"], bars.values["change"]
    comparable = (beside.prices != ABSENT) & (close != ABSENT)
    if beside.before:
        comparable &= change != ABSENT
    own = close - change if beside.before else close
    places = np.flatnonzero(comparable & (own != beside.prices)).tolist()
    broken = {
        place: Broken("previous-close", _reason(int(own[place]), int(beside.prices[place]), beside)) for place in places
    }
    return Comparison(beside, broken, int(comparable.sum()))


def _reason(own: int, held: int, beside: Beside) -> str:
    if beside.before:
        return f"Close − change is {to_decimal(own)}, but {beside.session} closed at {to_decimal(held)}."
    return f"It closed at {to_decimal(own)}, but on {beside.session} close − change was {to_decimal(held)}."
