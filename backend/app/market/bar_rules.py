"""What must hold of a bar that was read well, with the facts known of its security and session. Pure.

Each judgement gives None or a sentence. Absent values are not judged, nor is anything of which the facts are unknown.
The evidence for each rule's severity: "the panel" are 305,817 bars of TWSE's shares from 2023-03 to 2024-07, "the day"
1,182 + 908 bars of both venues and every kind of security on 2023-01-30.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from fractions import Fraction

from app.market.bar import Bar, to_decimal
from app.market.limits import is_on_tick, price_limits, tick_size
from app.market.security import SecurityKind

TICKS_SINCE = date(2005, 3, 1)
"""The bands of ``limits.py`` hold from here on; what they were before is not known here, and not judged."""
LIMITED = frozenset({SecurityKind.STOCK, SecurityKind.INNOVATION, SecurityKind.PREFERRED, SecurityKind.TDR})
"""Whether a fund has a limit depends on where its underlying is listed, which no source tells: not judged."""

UNIT = 30
"""Lots are 1,000 shares (100 for some funds), and turnover comes in TWD or thousands: an honest price is never so far
off. On the panel and the day turnover ÷ volume was at most 11 % off the range of the session's prices."""
SPREAD = Fraction(5, 4)
"""Odd lots, the session after the close and block trades count in volume and turnover and not in the prices; all of
them happen within the limits, so that 1.1 ÷ 0.9 is the most they can do."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a bar's security in its session.

    ``kind`` None: unknown, or of a time whose ticks are. ``percent`` None: no limit, or none that is known.
    ``reference`` (1/10,000 TWD) is for ex-dates, when the venue gives no change. The steps say to which multiple the
    source rounds, in shares and in TWD.
    """

    kind: SecurityKind | None = None
    percent: int | None = None
    reference: int | None = None
    volume_step: int = 1
    turnover_step: int = 1


@dataclass(frozen=True, slots=True)
class Broken:
    """A rule that a bar breaks, with a sentence."""

    rule: str
    reason: str


def ohlc_order(bar: Bar, _: Facts) -> str | None:
    """Condemns none of the panel and of the day, and each of the 223 rows of the dirty panel."""
    opened, high, low, close = bar.open, bar.high, bar.low, bar.close
    if opened is None or high is None or low is None or close is None:
        return None
    if low <= opened <= high and low <= close <= high:
        return None
    return f"The four prices are out of order: {_prices(bar)}."


def tick_size_of(bar: Bar, facts: Facts) -> str | None:
    """Condemns none of the panel, of the day, nor of the 53,653 unadjusted rows of both venues in 2026-06 … 08.

    A bar without turnover is not as a venue printed it (all of them print it) but worked over, such as adjusted.
    """
    if facts.kind is None or bar.turnover is None:
        return None
    opened, high, low, close = bar.open, bar.high, bar.low, bar.close
    if opened is None or high is None or low is None or close is None:
        return None
    tick = tick_size(high, facts.kind)
    if tick == tick_size(low, facts.kind) and not (opened % tick or high % tick or low % tick or close % tick):
        return None  # as nearly always: within one band
    for name, price in (("open", opened), ("high", high), ("low", low), ("close", close)):
        if not is_on_tick(price, facts.kind):
            step = to_decimal(tick_size(price, facts.kind))
            return f"The {name} of {to_decimal(price)} is no whole number of ticks of {step} TWD."
    return None


def price_limit(bar: Bar, facts: Facts) -> str | None:
    """A warning: it condemns 1 good bar of the panel, and 25 of which the panel lost that they are not comparable.

    The good one is of a share that resumed after years off the market, and traded without limits anew.
    """
    if facts.percent is None or bar.close is None:
        return None
    reference = facts.reference if bar.change is None else bar.close - bar.change
    if reference is None or bar.open is None or bar.high is None or bar.low is None:
        return None
    if reference <= 0:
        return f"The change leaves a reference price of {to_decimal(reference)} TWD."
    highest, lowest = max(bar.high, bar.open, bar.close), min(bar.low, bar.open, bar.close)
    if 100 * highest <= reference * (100 + facts.percent) and 100 * lowest >= reference * (100 - facts.percent):
        return None  # the limits themselves are rounded inward to a tick, which is the tick rule's business
    limits = price_limits(reference, facts.kind or SecurityKind.STOCK, percent=facts.percent)
    if limits.hold(highest) and limits.hold(lowest):
        return None
    allowed = f"{to_decimal(limits.down)} to {to_decimal(limits.up)}, ±{facts.percent} % of {to_decimal(reference)}"
    return f"The prices go from {to_decimal(lowest)} to {to_decimal(highest)}; the limits were {allowed}."


def volume_unit(bar: Bar, facts: Facts) -> str | None:
    """Condemns none of the panel and of the day."""
    if _turnover_fits(bar, facts, UNIT):
        return None
    return f"{_turnover(bar)}, is another unit: volume is in shares and turnover in TWD."


def turnover_range(bar: Bar, facts: Facts) -> str | None:
    """Condemns none of the panel and of the day; a warning, as nobody knows each sort of trade since 2004."""
    if _turnover_fits(bar, facts, SPREAD) or not _turnover_fits(bar, facts, UNIT):
        return None
    return f"{_turnover(bar)}, is too far from the prices."


JUDGES: tuple[tuple[str, Callable[[Bar, Facts], str | None]], ...] = (
    ("ohlc-order", ohlc_order),
    ("tick-size", tick_size_of),
    ("price-limit", price_limit),
    ("volume-unit", volume_unit),
    ("turnover-range", turnover_range),
)


def broken_by(bar: Bar, facts: Facts) -> list[Broken]:
    """The rules that *bar* breaks; nearly always none. A bar without prices (nothing traded) breaks none."""
    if bar.close is None:
        return []
    return [Broken(rule, reason) for rule, judge in JUDGES if (reason := judge(bar, facts))]


def session_fault(session: date, *, today: date, is_session: bool) -> str | None:
    """What is wrong with a bar of that day, whatever its cells say. Rule: session-bounds."""
    if session > today:
        return f"{session} lies in the future; today in Taipei is {today}."
    return None if is_session else f"{session} was no session, as far as the calendar and the exchange say."


def _turnover_fits(bar: Bar, facts: Facts, times: int | Fraction) -> bool:
    """Whether turnover ÷ volume lies from low ÷ *times* to high × *times*, whatever was rounded off."""
    volume, turnover, high, low = bar.volume, bar.turnover, bar.high, bar.low
    if volume is None or turnover is None or high is None or low is None or bar.open is None or bar.close is None:
        return True
    paid = turnover * 10_000
    if low * volume <= paid <= high * volume:
        return True
    # Where they are out of order, that is another rule's business.
    high, low = max(high, low, bar.open, bar.close), min(high, low, bar.open, bar.close)
    most, least = volume + facts.volume_step - 1, max(volume - facts.volume_step + 1, 0)
    slack = (facts.turnover_step - 1) * 10_000
    return low * least <= (paid + slack) * times and paid - slack <= high * most * times


def _turnover(bar: Bar) -> str:
    volume, turnover = bar.volume or 0, bar.turnover or 0
    each = f", {turnover / volume:,.2f} TWD a share" if volume else ""
    return f"A turnover of {turnover:,} TWD for {volume:,} shares at {_prices(bar)}{each}"


def _prices(bar: Bar) -> str:
    named = {name: getattr(bar, name) for name in ("open", "high", "low", "close")}
    return ", ".join(f"{name} {to_decimal(price)}" for name, price in named.items() if price is not None)
