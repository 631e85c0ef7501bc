"""Two workers on separate hosts; one is cut off amid a unit and comes back as a zombie that wants to write."""

from __future__ import annotations

import signal
import time
from datetime import UTC, datetime

import pytest

from tests.chaos.hosts import separate_host
from tests.chaos.ordeal import RECOVERS_WITHIN, bring_up, most_fetches, tell, wait_for_units
from tests.chaos.prepare import Prepared, end_of
from tests.chaos.stage import Stage
from tests.chaos.verdict import judge, start_sync
from tests.conftest import wait_until

pytestmark = pytest.mark.chaos
SLOW = 4.0
"""Seconds that the exchange takes for the reply during which the worker vanishes."""


def hold_a_unit(stage: Stage, run_id: str, share: float, reference_units: int) -> int:
    """Let the run get so far, then make the exchange answer slowly; returns once the worker waits for that answer."""
    wait_for_units(stage, run_id, round(share * reference_units))
    stage.exchange_fault(site="*", fault="slow", times=1, seconds=SLOW)

    def waits() -> bool:
        before = stage.units_done(run_id)
        time.sleep(0.5)
        return stage.units_done(run_id) == before

    wait_until(waits, within=10, what="a worker that waits for the exchange")
    return stage.units_done(run_id)


def test_a_host_cut_off_amid_a_unit_cannot_write_when_it_comes_back(chaos: Prepared, stage: Stage) -> None:
    with separate_host(stage, 1) as first, separate_host(stage, 2) as second:
        zombie = stage.worker("w1", prefix=first.prefix, environment=first.environment)
        stage.beat()
        zombie.wait_until_ready()
        run_id = start_sync(stage)
        hold_a_unit(stage, run_id, 0.5, len(chaos.reference.units))
        with first.cut_off():
            cut_at = datetime.now(UTC)
            stage.worker("w2", prefix=second.prefix, environment=second.environment).wait_until_ready()
            end_of(stage, run_id, within=120)
        wait_until(lambda: "LeaseLost" in zombie.said(), within=90, what="the zombie's refusal")
        verdict = judge(stage, run_id, chaos.reference, since=cut_at, repaired=False)
    assert "w1@qlhost" in zombie.said()
    tell("one of two hosts cut off, and back", verdict)
    # The zombie may have asked again on its return, before it was told that the run is not its own any more.
    assert verdict.complaints(most_fetches=verdict.units + 1 + 4) == [], stage.last_words()
    assert verdict.attempts == 2
    assert (verdict.recovery or 0) <= RECOVERS_WITHIN


def test_a_frozen_worker_that_wakes_with_its_answer_in_hand_is_refused(chaos: Prepared, stage: Stage) -> None:
    bring_up(stage, ["w1", "beat1"])
    zombie = stage.children["w1"]
    run_id = start_sync(stage)
    done = hold_a_unit(stage, run_id, 0.5, len(chaos.reference.units))
    zombie.send_all(signal.SIGSTOP)
    frozen_at = datetime.now(UTC)
    bring_up(stage, ["w2"])
    # The zombie has the answer of this unit in its socket by now, and the other one has done the unit.
    wait_for_units(stage, run_id, done + 2)
    zombie.send_all(signal.SIGCONT)
    wait_until(lambda: "LeaseLost" in zombie.said(), within=30, what="the zombie's refusal")
    end_of(stage, run_id, within=90)
    verdict = judge(stage, run_id, chaos.reference, since=frozen_at, repaired=False)
    tell("frozen amid a unit, woken with the answer", verdict)
    assert verdict.complaints(most_fetches=verdict.units + 1) == [], stage.last_words()
    assert verdict.attempts == 2


def test_a_worker_frozen_inside_its_transaction_does_not_keep_the_run(chaos: Prepared, stage: Stage) -> None:
    bring_up(stage, ["w1", "beat1"])
    zombie = stage.children["w1"]
    run_id = start_sync(stage)
    wait_for_units(stage, run_id, len(chaos.reference.units) // 2)
    holds = "SELECT count(*) FROM pg_locks WHERE relation = 'runs'::regclass AND mode = 'RowShareLock' AND granted"
    # Slow enough that it is met between two statements of one transaction.
    with stage.to_postgres.slow(0.3):
        wait_until(lambda: stage.rows(holds)[0][0] > 0, within=30, what="a transaction that holds the run")
        zombie.send_all(signal.SIGSTOP)
    frozen_at = datetime.now(UTC)
    assert stage.rows(holds)[0][0] > 0
    bring_up(stage, ["w2"])
    end_of(stage, run_id, within=90)
    zombie.send_all(signal.SIGCONT)
    verdict = judge(stage, run_id, chaos.reference, since=frozen_at, repaired=False)
    tell("frozen inside a transaction, another host goes on", verdict)
    assert verdict.complaints(most_fetches=most_fetches(verdict)) == [], stage.last_words()
    assert (verdict.recovery or 0) <= RECOVERS_WITHIN
