"""After each fault: every unit done once in effect, no row lost, wrong or twice, and only what was missing fetched."""

from __future__ import annotations

import pytest

from tests.chaos.faults import ALL, Fault
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
