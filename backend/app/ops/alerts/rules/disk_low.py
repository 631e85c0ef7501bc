"""The disk of the data folder fills up."""

from __future__ import annotations

from app.market.sayings import say
from app.ops.alerts.facts import Breach, Facts
from app.ops.checks import LITTLE_ROOM

WORDS = f"At least {LITTLE_ROOM / 2**30:.0f} GiB are free on the disk of the data folder"


def find(facts: Facts) -> list[Breach]:
    """A breach when little room is left."""
    free = facts.free_bytes()
    if free >= LITTLE_ROOM:
        return []
    sentence = say("disk_low", free=f"{free / 2**30:.1f}", folder=facts.data_dir, host=facts.host)
    return [Breach(f"{facts.data_dir} on {facts.host}", sentence)]
