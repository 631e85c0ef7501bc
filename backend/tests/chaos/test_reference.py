"""The harness itself: the sync without a fault is what it should be, and a proxy does what it says."""

from __future__ import annotations

import pytest

from tests.chaos.prepare import Prepared, end_of
from tests.chaos.stage import Stage
from tests.chaos.verdict import judge, start_sync

pytestmark = pytest.mark.chaos


def test_two_runs_without_faults_come_to_the_same(chaos: Prepared, stage: Stage) -> None:
    stage.worker().wait_until_ready()
    run_id = start_sync(stage)
    end_of(stage, run_id)
    verdict = judge(stage, run_id, chaos.reference)
    assert verdict.complaints(most_fetches=verdict.units) == []
