"""What happens to runs that wait, and to a task that kills whoever runs it."""

from __future__ import annotations

import pytest
import redis

from tests.chaos.ordeal import bring_up, most_fetches
from tests.chaos.prepare import Prepared, end_of
from tests.chaos.stage import Stage
from tests.chaos.verdict import judge, start_sync
from tests.conftest import wait_until


@pytest.mark.chaos
def test_a_poison_task_ends_as_failed_and_harms_no_other(chaos: Prepared, stage: Stage) -> None:
    bring_up(stage, ["w1", "beat1"])
    poison = stage.call("poison")
    run_id = start_sync(stage)
    end_of(stage, run_id, within=120)
    end_of(stage, poison, within=120, state="FAILED")
    error_type, error, attempts = stage.rows("SELECT error_type, error, attempts FROM runs WHERE id = %s", [poison])[0]
    assert "taken for the cause" in error
    assert 2 <= attempts <= 5
    verdict = judge(stage, run_id, chaos.reference)
    assert error_type == "WorkerLost"
    assert verdict.complaints(most_fetches=most_fetches(verdict)) == [], stage.last_words()


@pytest.mark.chaos
def test_what_was_purged_says_so(stage: Stage) -> None:
    bring_up(stage, ["beat1"])
    waiting = [stage.call("nap", number=number) for number in range(2)]
    assert stage.celery("purge", "-f").returncode == 0
    wait_until(
        lambda: stage.rows("SELECT count(*) FROM runs WHERE finished_at IS NULL")[0][0] == 0,
        within=60,
        what="an end of the purged runs",
    )
    ended = stage.rows("SELECT id, state, reason, attempts FROM runs")
    assert {run_id for run_id, *_ in ended} == set(waiting)
    for _, state, reason, attempts in ended:
        assert state in ("SKIPPED", "CANCELLED")
        assert "purged" in reason
        assert attempts == 0


@pytest.mark.chaos
def test_messages_that_valkey_forgot_are_sent_again(stage: Stage) -> None:
    bring_up(stage, ["beat1"])
    waiting = [stage.call("nap", number=number, seconds=0) for number in range(3)]
    with redis.Redis.from_url(stage.redis_url) as client:
        client.flushall()
    bring_up(stage, ["w1"])
    for run_id in waiting:
        end_of(stage, run_id, within=90)
    assert stage.rows("SELECT attempts, count(*) FROM runs GROUP BY 1") == [(1, 3)]
