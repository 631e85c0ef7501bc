"""One ordeal: a sync of some 80 units, a fault in the midst of it, and what came of it."""

from __future__ import annotations

import random
from collections.abc import Iterable
from datetime import UTC, datetime

from tests.chaos.faults import Fault
from tests.chaos.prepare import end_of
from tests.chaos.stage import Stage
from tests.chaos.verdict import Reference, Verdict, judge, start_sync
from tests.conftest import wait_until

SHARE = 0.6
"""How much of the work is done when the fault comes, unless told otherwise."""
ENDS_WITHIN = 150.0
RECOVERS_WITHIN = 45.0


def bring_up(stage: Stage, needs: tuple[str, ...] | list[str]) -> None:
    """Start those children that are not there, together."""
    starting = []
    for name in needs:
        child = stage.children.get(name)
        if child and child.alive():
            continue
        if child:
            starting.append(child.start())
        elif name == "web":
            stage.web()
        else:
            starting.append(stage.beat(name) if name.startswith("beat") else stage.worker(name))
    for child in starting:
        child.wait_until_ready()


def endure(
    stage: Stage, fault: Fault, reference: Reference, *, share: float = SHARE, chance: random.Random | None = None
) -> Verdict:
    """Inject ``fault`` when ``share`` of the units are done; the verdict when the run has ended."""
    chance = chance or random.Random(0)
    bring_up(stage, list(fault.needs))
    run_id = start_sync(stage)
    wait_for_units(stage, run_id, round(share * len(reference.units)))
    hurt_at = datetime.now(UTC)
    fault.inject(stage, chance)
    healed_at = datetime.now(UTC)
    end_of(stage, run_id, within=ENDS_WITHIN)
    since = healed_at if fault.helped else hurt_at
    return judge(stage, run_id, reference, since=since, repaired=fault.helped)


def most_fetches(verdict: Verdict, *, spoilt: int = 0) -> int:
    """Each attempt after the first may ask for the unit again that its predecessor had in hand, and for no other.

    A spoilt reply is asked for again, too.
    """
    return verdict.units + verdict.attempts - 1 + spoilt


def wait_for_units(stage: Stage, run_id: str, count: int) -> None:
    wait_until(lambda: stage.units_done(run_id) >= count, within=60, what=f"{count} units of {run_id}")


told: dict[str, list[Verdict]] = {}
"""What this process has seen, by fault: the summary of the tests."""


def tell(what: str, verdict: Verdict) -> None:
    """Keep it for the summary."""
    told.setdefault(what, []).append(verdict)


def table(rows: Iterable[tuple[str, list[Verdict]]]) -> str:
    """A Markdown table, one line a fault."""
    heads = ["Fault", "Times", "Recovery mean (s)", "max (s)", "Rows lost", "wrong", "twice", "Units lost", "twice"]
    lines = ["| " + " | ".join([*heads, "Fetched again"]) + " |", "|---" + "|--:" * len(heads) + "|"]
    for name, verdicts in rows:
        known = [verdict.recovery for verdict in verdicts if verdict.recovery is not None]
        mean, longest = (f"{sum(known) / len(known):.1f}", f"{max(known):.1f}") if known else ("-", "-")
        sums = [
            sum(getattr(verdict, count) for verdict in verdicts)
            for count in ("rows_lost", "rows_wrong", "rows_twice", "units_missing", "units_twice")
        ]
        again = max(verdict.fetches - verdict.units for verdict in verdicts)
        cells = [name, len(verdicts), mean, longest, *sums, f"at most {again}"]
        lines.append("| " + " | ".join(str(cell) for cell in cells) + " |")
    return "\n".join(lines)
