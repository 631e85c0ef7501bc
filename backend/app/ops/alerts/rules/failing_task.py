"""A task fails."""

from __future__ import annotations

from collections.abc import Sequence

from app.market.sayings import say
from app.ops.alerts.facts import Breach, Facts
from app.store.watched import Ending

PARTIAL_IN_A_ROW = 3
WORDS = f"No task's last run is FAILED or LOST, and none was PARTIAL {PARTIAL_IN_A_ROW} times in a row"


def find(facts: Facts) -> list[Breach]:
    """A breach for each task that does."""
    return [Breach(task, sentence) for task, last in facts.endings().items() if (sentence := _failing(task, last))]


def _failing(task: str, last: Sequence[Ending]) -> str | None:
    short = task.removeprefix("app.tasks.")
    newest = last[0]
    run = newest.run_id[:8]
    if newest.state in ("FAILED", "LOST"):
        return say("last_failed", task=short, state=newest.state, why=newest.sentence or "nobody knows why.", run=run)
    in_a_row = last[:PARTIAL_IN_A_ROW]
    if len(in_a_row) == PARTIAL_IN_A_ROW and all(one.state == "PARTIAL" for one in in_a_row):
        return say("often_partial", task=short, count=PARTIAL_IN_A_ROW, why=newest.sentence, run=run)
    return None
