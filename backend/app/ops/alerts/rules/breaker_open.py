"""A site is not asked, after a ban page or failures in a row."""

from __future__ import annotations

from app.market.sayings import say
from app.market.written import clock_of
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
                clock=clock_of(state["since"]),
                why=state["reason"],
                until=clock_of(state["until"]),
            ),
        )
        for site, state in facts.breakers().items()
    ]
