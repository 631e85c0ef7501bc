"""A price made a step that the day's limit does not allow, and no corporate action explains."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import groupby

from app.market.bar import to_decimal
from app.market.calendar import SESSION_CLOSE, TAIPEI
from app.market.limits import NORMAL_LIMIT_PERCENT, limit_percent, tick_size
from app.market.sayings import say
from app.market.security import SecurityKind
from app.ops.alerts.facts import Breach, Facts
from app.store.steps import Step

SPARE_PERCENT = 1
"""Beside the limit: reference prices are rounded to a tick, and so are the limits that are counted from them."""
SMALLEST_SHARE = (NORMAL_LIMIT_PERCENT + SPARE_PERCENT) / 100
SESSIONS_BACK = 5
PATIENCE = timedelta(days=1)
"""A session's actions are asked for in its evening; if that fails, steps of a day ago are told all the same.

Not by an installation that is younger: it has had no evening yet.
"""
WORDS = (
    f"Of the last {SESSIONS_BACK} sessions every close lies within the day's limit of the close before it, "
    "corporate actions considered"
)
_SHOWN = 10
_FREELY = (SecurityKind.ETF, SecurityKind.ETN, SecurityKind.OTHER)
"""Among them are funds of foreign underlyings, which have no limit; no list says which."""


def find(facts: Facts) -> list[Breach]:
    """A breach for each session in which one did, naming the securities."""
    asked = facts.actions_asked()
    wrong = [one for one in facts.large_steps() if _is_due(one, asked.get(one.venue), facts) and _breaks(one, facts)]
    return [Breach(str(session), _sentence(list(steps))) for session, steps in groupby(wrong, lambda one: one.session)]


def _is_due(one: Step, asked: datetime | None, facts: Facts) -> bool:
    closed = datetime.combine(one.session, SESSION_CLOSE, TAIPEI)
    if asked is not None and asked > closed:
        return True
    installed = facts.installed_at()
    return facts.at - (closed if installed is None else max(closed, installed)) > PATIENCE


def _breaks(one: Step, facts: Facts) -> bool:
    if one.kind in _FREELY and one.change is not None and one.close - one.change == one.previous:
        return False  # the venue itself compares with that close: nothing happened but trading
    young = _sessions_since_listing(one, facts)
    percent = limit_percent(one.symbol, one.kind, sessions_since_listing=young, session=one.session)
    if percent is None:
        return False
    step = abs(one.close - one.expected)
    # Of a penny stock two ticks are more than any share.
    return step * 100 > one.expected * (percent + SPARE_PERCENT) and step > 2 * tick_size(one.close, one.kind)


def _sessions_since_listing(one: Step, facts: Facts) -> int | None:
    if one.listed_on is None or one.session - one.listed_on > timedelta(days=30):
        return None
    return len(facts.calendar().sessions_between(one.listed_on, one.session)) - 1


def _sentence(steps: list[Step]) -> str:
    named = ", ".join(f"{one.symbol} {to_decimal(one.previous)} → {to_decimal(one.close)}" for one in steps[:_SHOWN])
    more = f" and {len(steps) - _SHOWN} more" if len(steps) > _SHOWN else ""
    return say("steps", day=steps[0].session, count=len(steps), named=f"{named}{more}")
