"""A site is not asked, after a ban page or failures in a row."""

from __future__ import annotations

from app.ops.alerts.facts import Breach, Facts

WORDS = "Every site may be asked: no breaker is open"


def find(facts: Facts) -> list[Breach]:
    """A breach for each site that is not asked."""
    return [
        Breach(site, f"{site} is not asked since {state['since']}: {state['reason']} The next try: {state['until']}.")
        for site, state in facts.breakers().items()
    ]
