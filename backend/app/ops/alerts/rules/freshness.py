"""A dataset is not held as it is promised in ops/alerts/promises.py."""

from __future__ import annotations

from app.errors import QuantLabError
from app.market.sayings import say
from app.ops.alerts.facts import Breach, Facts
from app.ops.alerts.promises import PROMISES, Promise

WORDS = "Each dataset is held by the time that is promised: " + "; ".join(
    f"{one.subject} {one.when}" for one in PROMISES
)


def find(facts: Facts) -> list[Breach]:
    """A breach for each promise that is broken, or cannot be checked: one of them must not hide the others."""
    return [Breach(promise.subject, sentence) for promise in PROMISES if (sentence := _broken(promise, facts))]


def _broken(promise: Promise, facts: Facts) -> str | None:
    name = promise.subject[0].upper() + promise.subject[1:]
    try:
        dues = promise.when.due(facts)
        lacking = promise.lacking(facts, dues) if dues else []
    except QuantLabError as error:
        return say("cannot_check", subject=name, why=error)
    return say("promise_broken", subject=name, lacks="; ".join(lacking), when=promise.when) if lacking else None
