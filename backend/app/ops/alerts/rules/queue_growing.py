"""Fresh work waits for a worker."""

from __future__ import annotations

from app.market.sayings import say
from app.ops.alerts.facts import Breach, Facts

MANY, MANY_WAIT = 100, 15 * 60.0
ANY_WAITS = 60 * 60.0
WORDS = (
    f"No fresh run (priority 5 and above) waits {MANY_WAIT / 60:.0f} min behind {MANY} others, "
    f"and none waits {ANY_WAITS / 60:.0f} min; backfill may wait"
)


def find(facts: Facts) -> list[Breach]:
    """A breach for each queue in which it does."""
    return [
        Breach(
            one.queue,
            say("queue_waits", count=one.waiting, queue=one.queue, minutes=round(one.seconds / 60)),
        )
        for one in facts.backlogs()
        if one.seconds > ANY_WAITS or (one.seconds > MANY_WAIT and one.waiting > MANY)
    ]
