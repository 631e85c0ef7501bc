"""The canary, a message sent each minute through each queue, is not answered: processes live and do nothing."""

from __future__ import annotations

from app.market.sayings import say
from app.ops.alerts.facts import Breach, Facts
from app.ops.alerts.rules.missing_heartbeat import is_too_early
from app.store.watched import CanaryState

LATE = 300.0
"""Seconds after which an answer is late: a worker whose processes are all busy answers between two tasks."""
NEXT_LATE = 30.0
"""The same when the one before was given up unanswered; else each new one would look like a recovery."""
WORDS = f"The canary of each queue is answered within {LATE / 60:.0f} min"


def find(facts: Facts) -> list[Breach]:
    """A breach for each queue whose canary is late."""
    if is_too_early(facts):
        return []
    return [
        Breach(
            one.queue,
            say("canary_late", queue=one.queue, seconds=round(one.sent or 0)),
        )
        for one in facts.canaries()
        if _is_late(one)
    ]


def _is_late(one: CanaryState) -> bool:
    if one.sent is None or one.unanswered == 0:
        return False
    return one.sent > (LATE if one.unanswered == 1 else NEXT_LATE)
