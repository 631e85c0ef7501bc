"""Adjusted prices: cumulative factors out of a ledger of corporate actions. Pure; raw prices are never touched.

adjusted price = raw price × factor, adjusted volume = raw volume ÷ the same factor, turnover as it is: so is price ×
volume the same before and after, and raw = adjusted ÷ factor, as Qlib has it. The rule is one for every reader, API
and exports alike, whichever the method.

An action's own ratio (reference price ÷ previous close, see ``CorporateAction``) ties the two sides of its ex-date:
previous close × factor before = reference price × factor from there on. Products are exact; floats come
at the end (``app/export/factor_panel.py``).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from itertools import accumulate
from operator import mul

from app.market.bar import PRICE_FIELDS, PRICE_SCALE, Bar
from app.market.corporate_action import CorporateAction


class Direction(StrEnum):
    """Which end of the history keeps its raw prices."""

    BACK = "back"  # the newest: history changes with each new action
    FORWARD = "forward"  # the oldest: what was computed once stays so


class Method(StrEnum):
    """What a factor makes good for."""

    TOTAL_RETURN = "total_return"  # whatever the holder got: cash, shares, rights
    SPLIT_ONLY = "split_only"  # only that there are more or fewer shares: cash dividends stay a fall of the price


@dataclass(frozen=True, slots=True)
class Adjustment:
    """How prices are to be adjusted."""

    direction: Direction = Direction.BACK
    method: Method = Method.TOTAL_RETURN


@dataclass(frozen=True, slots=True)
class Factors:
    """The factors of one security: ``values[0]`` before the first of ``ex_dates``, ``values[n]`` from the nth on."""

    ex_dates: tuple[date, ...] = ()
    values: tuple[Fraction, ...] = (Fraction(1),)

    def factor_on(self, session: date) -> Fraction:
        """What a raw price of *session* is multiplied with."""
        return self.values[bisect_right(self.ex_dates, session)]


def factors_of(
    actions: Iterable[CorporateAction],
    adjustment: Adjustment = Adjustment(),
    *,
    first: date | None = None,
    last: date | None = None,
) -> Factors:
    """The factors of one security from its *actions*, in any order; several of one ex-date multiply.

    *first* and *last* are the ends of the bars that there are: an action counts only where it lies between two of
    them. One announced for tomorrow does not change today's prices, nor one before the first bar any.
    """
    ratios: dict[date, Fraction] = {}
    for action in actions:
        if (first is None or first < action.ex_date) and (last is None or action.ex_date <= last):
            ratio = action.ratio if adjustment.method is Method.TOTAL_RETURN else action.split_ratio
            ratios[action.ex_date] = ratios.get(action.ex_date, Fraction(1)) * ratio
    ex_dates = sorted(day for day, ratio in ratios.items() if ratio != 1)
    if adjustment.direction is Direction.FORWARD:
        values = list(accumulate((1 / ratios[day] for day in ex_dates), mul, initial=Fraction(1)))
    else:
        values = list(accumulate((ratios[day] for day in reversed(ex_dates)), mul, initial=Fraction(1)))[::-1]
    return Factors(tuple(ex_dates), tuple(values))


@dataclass(frozen=True, slots=True)
class AdjustedBar:
    """A bar after adjustment: prices in TWD to the millionth, volume to the share; what is None stays so.

    ``change`` is the venue's own, against its reference price, times the factor. Turnover and trades need none.
    """

    session: date
    factor: Fraction
    prices: Mapping[str, Decimal | None]
    volume: int | None


def adjusted(bar: Bar, factor: Fraction) -> AdjustedBar:
    """*bar* times *factor*: rounded once, half to even."""
    prices = {
        name: None if (price := getattr(bar, name)) is None else _rounded(price * factor / PRICE_SCALE)
        for name in PRICE_FIELDS
    }
    return AdjustedBar(bar.session, factor, prices, None if bar.volume is None else round(bar.volume / factor))


_MILLIONTHS = 1_000_000


def _rounded(price: Fraction) -> Decimal:
    return Decimal(round(price * _MILLIONTHS)) / _MILLIONTHS
