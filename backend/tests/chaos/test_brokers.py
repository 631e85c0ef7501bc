"""A sync over brokers that are not one Valkey: the promises stay, and what a broker does not tell is not invented."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from tests.chaos.brokers import master_port, rabbitmq, sentinels
from tests.chaos.ordeal import bring_up, most_fetches, tell, wait_for_units
from tests.chaos.prepare import Prepared, end_of
from tests.chaos.stage import BIN, Stage
from tests.chaos.verdict import judge, start_sync
from tests.conftest import wait_until

pytestmark = pytest.mark.chaos
FAILS_OVER_WITHIN = 60.0


@pytest.mark.chaos(short=True)
def test_a_master_that_dies_amid_a_sync_is_replaced_and_nothing_is_lost(chaos: Prepared, stage: Stage) -> None:
    with sentinels(stage) as watchers:
        bring_up(stage, ["w1", "beat1"])
        run_id = start_sync(stage)
        wait_for_units(stage, run_id, len(chaos.reference.units) // 2)
        before = master_port(watchers[0])
        stage.valkey.kill()
        killed_at = datetime.now(UTC)
        wait_until(lambda: master_port(watchers[0]) != before, within=30, what="another master")
        end_of(stage, run_id, within=120)
        verdict = judge(stage, run_id, chaos.reference, since=killed_at, repaired=False)
        # The new master takes calls, too.
        end_of(stage, stage.call("sync_stock_list"))
    tell("Sentinel's master killed, its replica takes over", verdict)
    assert verdict.complaints(most_fetches=most_fetches(verdict) + 1) == [], stage.last_words()
    assert (verdict.recovery or 0) <= FAILS_OVER_WITHIN


def quantlab(stage: Stage, *words: str) -> str:
    done = stage.run(BIN / "quantlab", *words)
    assert done.returncode in (0, 1), done.stderr  # 1: something is not well, as where no beat runs
    return done.stdout


@pytest.mark.chaos(short=True)
def test_rabbitmq_carries_a_sync_whose_worker_is_killed(chaos: Prepared, stage: Stage) -> None:
    with rabbitmq(stage):
        bring_up(stage, ["w1", "beat1"])
        run_id = start_sync(stage)
        wait_for_units(stage, run_id, len(chaos.reference.units) // 2)
        stage.children["w1"].kill()
        killed_at = datetime.now(UTC)
        bring_up(stage, ["w2"])
        end_of(stage, run_id, within=120)
        verdict = judge(stage, run_id, chaos.reference, since=killed_at, repaired=False)
    tell("RabbitMQ as broker, worker killed", verdict)
    assert verdict.complaints(most_fetches=most_fetches(verdict)) == [], stage.last_words()


def test_rabbitmq_keeps_priorities_and_tells_lengths_but_not_of_which(chaos: Prepared, stage: Stage) -> None:
    with rabbitmq(stage):
        stage.beat().wait_until_ready()
        bring_up(stage, ["w1"])  # makes the queues
        stage.children["w1"].stop()
        low, high = (_call(stage, priority) for priority in (1, 10))
        # With them may wait a canary of beat's.
        wait_until(lambda: _waiting(stage).get("unknown", 0) >= 2, within=60, what="both messages")
        assert " at unknown priority" in quantlab(stage, "status")
        stage.worker("w2", concurrency=1).wait_until_ready()
        end_of(stage, low)
        end_of(stage, high)
        ((first,),) = stage.rows(
            "SELECT id::text FROM runs WHERE id IN (%s, %s) ORDER BY started_at LIMIT 1", [low, high]
        )
        assert first == high
        wait_until(lambda: _answered(stage) > 0, within=90, what="an answered canary")


def test_what_rabbitmq_lost_is_sent_again(chaos: Prepared, stage: Stage) -> None:
    with rabbitmq(stage):
        bring_up(stage, ["w1", "beat1"])
        stage.children["w1"].stop()
        run_id = _call(stage, 5)
        wait_until(lambda: _waiting(stage).get("unknown", 0) >= 1, within=60, what="the message")
        purged = stage.celery("purge", "-f")
        assert purged.returncode == 0, purged.stderr
        assert "Purged" in purged.stdout
        bring_up(stage, ["w2"])
        end_of(stage, run_id)
        assert "is gone from the broker: it is sent again" in stage.last_words()


def _call(stage: Stage, priority: int) -> str:
    call = f"app.send_task('app.tasks.cleanup_old_cache', priority={priority}).id"
    return stage.python(f"from app.core.celery_app import app; print({call})").strip()


def _waiting(stage: Stage) -> dict[str, int]:
    script = (
        "import json; from app.core.backlog import queue_lengths; from app.core.wiring import get_platform; "
        "lengths = queue_lengths(get_platform().redis)['maintenance']; "
        "print(json.dumps({'unknown' if key is None else key: value for key, value in lengths.items()}))"
    )
    return dict(json.loads(stage.python(script)))


def _answered(stage: Stage) -> int:
    query = "SELECT count(*) FROM heartbeats WHERE kind = 'canary' AND facts->>'answered' = facts->>'number'"
    return int(stage.rows(query)[0][0])
