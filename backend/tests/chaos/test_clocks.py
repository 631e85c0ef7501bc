"""The clock of every worker and beat jumps by an hour in the midst of the work."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.chaos.clocks import false_clock
from tests.chaos.ordeal import RECOVERS_WITHIN, bring_up, tell, wait_for_units
from tests.chaos.prepare import Prepared, end_of
from tests.chaos.stage import Stage
from tests.chaos.verdict import judge, start_sync

pytestmark = pytest.mark.chaos


@pytest.mark.parametrize("jump", [3600, -3600])
def test_the_clock_jumps(jump: int, chaos: Prepared, stage: Stage) -> None:
    stage.clock = false_clock(stage.folder)
    bring_up(stage, ["w1", "beat1"])
    run_id = start_sync(stage)
    wait_for_units(stage, run_id, round(0.5 * len(chaos.reference.units)))
    jumped_at = datetime.now(UTC)
    stage.clock.set(jump)
    end_of(stage, run_id, within=120)
    verdict = judge(stage, run_id, chaos.reference, since=jumped_at, repaired=False)
    tell(f"clock jump of {jump:+} s", verdict)
    assert verdict.complaints(most_fetches=verdict.units) == [], stage.last_words()
    assert (verdict.recovery or 0) <= RECOVERS_WITHIN
    times = stage.rows("SELECT min(finished_at) - now(), max(finished_at) - now() FROM units")[0]
    behind, ahead = (time.total_seconds() for time in times)
    assert ahead > 3000 if jump > 0 else behind < -3000  # the jump reached the worker
