"""Rows of the last session wait in quarantine: many, or one that everybody looks at."""

from __future__ import annotations

from app.market.sayings import say
from app.ops.alerts.facts import Breach, Facts
from app.store.watched import SetAside

FEW = 20
SHARE = 0.01
WORDS = (
    f"Of the last session no more than {FEW} rows, nor {SHARE:.0%} of its bars, wait in quarantine, and none of the "
    "universe popular"
)


def find(facts: Facts) -> list[Breach]:
    """A breach for each venue and dataset of which more do, or one of the universe `popular` does."""
    return [
        Breach(f"{one.dataset} of {one.venue}", _sentence(one, popular))
        for one in facts.set_aside()
        if (popular := sorted(one.symbols.intersection(facts.popular))) or one.rows > max(FEW, SHARE * one.held)
    ]


def _sentence(one: SetAside, popular: list[str]) -> str:
    among = f", {' '.join(popular)} among them" if popular else ""
    return say(
        "many_set_aside",
        count=one.rows,
        dataset=one.dataset,
        venue=one.venue,
        day=one.session,
        among=among,
        held=one.held,
    )
