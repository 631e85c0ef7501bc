"""Fresh work waits for a worker."""

from __future__ import annotations

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
            f"{one.waiting:,} fresh runs wait in the queue {one.queue}, the first for {one.seconds / 60:.0f} min: "
            "see what the workers do (`quantlab monitor`), or add one.",
        )
        for one in facts.backlogs()
        if one.seconds > ANY_WAITS or (one.seconds > MANY_WAIT and one.waiting > MANY)
    ]
