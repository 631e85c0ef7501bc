"""No process of a kind is alive any more."""

from __future__ import annotations

from datetime import timedelta

from app.market.sayings import say
from app.ops.alerts.facts import Breach, Facts

SILENT_FOR = 60.0
"""Seconds; processes renew their heartbeats every few."""
GRACE = timedelta(seconds=120)
"""After the start of the watch, or of PostgreSQL: until then nobody could say that it lives."""

NEEDED = {"beat": "nothing is scheduled", "worker": "what is queued waits"}
KNOWN = {**NEEDED, "web": "the console and the API are away"}
WORDS = f"Of each kind of process ({', '.join(KNOWN)}) at least one was seen within {SILENT_FOR:.0f} s"


def find(facts: Facts) -> list[Breach]:
    """A breach for each kind of which none lives: of beat and worker always, of web where one ended without a word."""
    if is_too_early(facts):
        return []
    seen = facts.seen()
    if seen.server_age < GRACE.total_seconds():
        return []
    breaches = []
    for kind, so in KNOWN.items():
        ages = [one.age for one in seen.programs if one.kind == kind]
        if ages and min(ages) > SILENT_FOR:
            breaches.append(Breach(kind, say("long_silent", program=kind, span=_duration(min(ages)), so=so)))
        elif not ages and kind in NEEDED:
            breaches.append(Breach(kind, say("not_there", program=kind, so=so)))
    return breaches


def is_too_early(facts: Facts) -> bool:
    """Whether the watch began just now, and the others with it."""
    return facts.watching_since is not None and facts.at - facts.watching_since < GRACE


def _duration(seconds: float) -> str:
    if seconds < 600:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 36_000 else f"{seconds / 3600:.0f} h"
