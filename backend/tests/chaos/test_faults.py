"""After each fault: every unit done once in effect, no row lost, wrong or twice, and only what was missing fetched."""

from __future__ import annotations

import pytest

from tests.chaos.faults import ALL, FAILED_UNIT, Fault
from tests.chaos.ordeal import RECOVERS_WITHIN, endure, most_fetches, tell
from tests.chaos.prepare import Prepared
from tests.chaos.stage import Stage


@pytest.mark.parametrize(
    "fault", [pytest.param(fault, id=fault.name, marks=pytest.mark.chaos(short=fault.short)) for fault in ALL]
)
def test_a_sync_survives(fault: Fault, stage: Stage, chaos: Prepared) -> None:
    verdict = endure(stage, fault, chaos.reference)
    tell(str(fault), verdict)
    assert verdict.complaints(most_fetches=most_fetches(verdict, spoilt=fault.spoilt)) == [], stage.last_words()
    assert (verdict.recovery or 0) <= RECOVERS_WITHIN


@pytest.mark.chaos
def test_a_unit_that_failed_is_done_by_the_next_attempt_and_it_alone(stage: Stage, chaos: Prepared) -> None:
    verdict = endure(stage, FAILED_UNIT, chaos.reference)
    tell(str(FAILED_UNIT), verdict)
    # Every unit was stored once, and the failed one asked for once more than it failed.
    assert verdict.complaints(most_fetches=verdict.units + FAILED_UNIT.spoilt) == [], stage.last_words()
    noted = "SELECT kind, count(*) FROM chaos_audit WHERE state IN ('FAILED', 'RETRY') GROUP BY 1 ORDER BY 1"
    assert stage.rows(noted) == [("run", 1), ("unit", 1)]
    assert verdict.attempts == 2
