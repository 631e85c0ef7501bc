"""An address for alerts cannot be used, so that somebody is not told."""

from __future__ import annotations

from app.ops.alerts.facts import Breach, Facts

WORDS = "Every address for alerts can be used"


def find(facts: Facts) -> list[Breach]:
    """One breach for all of them; their content is a secret, so only positions are named."""
    wrong = facts.wrong_addresses()
    return [Breach("addresses", " ".join(wrong))] if wrong else []
