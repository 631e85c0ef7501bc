"""Many rows of the last session wait in quarantine."""

from __future__ import annotations

from app.ops.alerts.facts import Breach, Facts

FEW = 20
SHARE = 0.01
WORDS = f"Of the last session no more than {FEW} rows, nor {SHARE:.0%} of its bars, wait in quarantine"


def find(facts: Facts) -> list[Breach]:
    """A breach for each venue and dataset of which more do."""
    return [
        Breach(
            f"{one.dataset} of {one.venue}",
            f"{one.rows:,} rows of {one.dataset} of {one.venue} of {one.session} wait in quarantine, beside "
            f"{one.held:,} bars that are held. `quantlab quarantine list` shows them.",
        )
        for one in facts.set_aside()
        if one.rows > max(FEW, SHARE * one.held)
    ]
