"""A site is not asked, after a ban page or failures in a row."""

from __future__ import annotations

from datetime import datetime

from app.market.calendar import TAIPEI
from app.market.sayings import say
from app.ops.alerts.facts import Breach, Facts

WORDS = "Every site may be asked: no breaker is open"


def find(facts: Facts) -> list[Breach]:
    """A breach for each site that is not asked."""
    return [
        Breach(
            site,
            say(
                "site_not_asked",
                site=site,
                clock=clock(state["since"]),
                why=state["reason"],
                until=clock(state["until"]),
            ),
        )
        for site, state in facts.breakers().items()
    ]


def clock(instant: str) -> str:
    """The time of day in Taipei of an instant that a breaker keeps as text."""
    return f"{datetime.fromisoformat(instant).astimezone(TAIPEI):%H:%M}"
