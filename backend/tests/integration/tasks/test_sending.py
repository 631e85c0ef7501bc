"""From the wish to the broker and back: sending, the outbox, the reaper and purging, on real servers."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
import redis
from sqlalchemy import text

from app.core import queue
from app.core.backlog import look_at_broker, queue_lengths
from app.core.caretaker import make_outbox, make_reaper
from app.core.celery_app import app
from app.core.config import get_settings
from app.core.retention import keep_of
from app.core.wiring import Platform
from app.errors import InvalidParameter
from app.ops.reaper import MOST_LOSSES, Reaper
from app.services.clean import clean
from app.store import runs
from app.store.engine import transaction
from app.store.runs import Run

TASK = "app.tasks.sync_qlib"


def held(platform: Platform, run_id: str) -> Run:
    with transaction(platform.engine) as connection:
        return runs.get(connection, run_id)


def change(platform: Platform, statement: str) -> None:
    with transaction(platform.engine) as connection:
        connection.execute(text(statement))


def waiting(platform: Platform) -> list[str]:
    look = look_at_broker(platform.redis, ["data_sync", "export", "maintenance"])
    assert look is not None
    return list(look.waiting)


def test_a_run_is_written_down_then_sent(platform: Platform) -> None:
    started = queue.start_task("sync_qlib", {}, trigger="api", priority=8)
    run = held(platform, started.id)
    assert (run.state, run.queue, run.priority, run.trigger) == ("QUEUED", "export", 8, "api")
    assert run.sent_at is not None
    assert waiting(platform) == [started.id]
    assert queue_lengths(platform.redis)["export"] == {8: 1}


def test_the_same_again_is_answered_with_the_run_that_waits(platform: Platform) -> None:
    first = queue.start_task("sync_daily_prices", {"stock_ids": "2330", "days": 7}, trigger="api")
    same = queue.start_task("sync_daily_prices", {"stock_ids": ["2330"]}, trigger="manual")
    assert (first.new, same.new, same.id) == (True, False, first.id)
    forced = queue.start_task("sync_daily_prices", {"stock_ids": ["2330"]}, trigger="manual", force=True)
    other = queue.start_task("sync_daily_prices", {"stock_ids": ["2317"]}, trigger="manual")
    assert forced.new
    assert other.new
    assert sorted(waiting(platform)) == sorted([first.id, forced.id, other.id])
    assert held(platform, first.id).parameters == {"stock_ids": ["2330"]}


def test_a_broker_that_is_away_delays_a_run_and_does_not_lose_it(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object, **__: object) -> None:
        raise redis.ConnectionError("Connection refused.")

    with monkeypatch.context() as patch:
        patch.setattr(app, "publish", away)
        started = queue.start_task("sync_qlib", {}, trigger="api")
        assert (held(platform, started.id).state, held(platform, started.id).sent_at) == ("QUEUED", None)
        assert make_outbox(platform).send_due() == 0
        assert held(platform, started.id).sent_at is None
    assert make_outbox(platform).send_due() == 1
    assert make_outbox(platform).send_due() == 0
    assert waiting(platform) == [started.id]


def test_a_later_time_is_kept_in_the_ledger_not_in_the_broker(platform: Platform) -> None:
    result = app.tasks[TASK].apply_async(countdown=3600)
    run = held(platform, result.id)
    assert run.run_after is not None
    assert timedelta(minutes=59) < run.run_after - run.queued_at < timedelta(minutes=61)
    assert (waiting(platform), make_outbox(platform).send_due()) == ([], 0)
    change(platform, "UPDATE runs SET run_after = now()")
    assert make_outbox(platform).send_due() == 1
    assert waiting(platform) == [result.id]


def test_a_link_is_refused_where_it_would_be_lost(platform: Platform) -> None:
    for options in ({"countdown": 60}, {"queue": "backfill"}):
        with pytest.raises(InvalidParameter, match="knows no links"):
            app.tasks[TASK].apply_async(link=app.tasks[TASK].si(), **options)
    with transaction(platform.engine) as connection:
        assert runs.list_unfinished(connection, TASK) == []


def test_the_broker_is_looked_into_wherever_it_is(
    platform: Platform, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = queue.start_task("sync_qlib", {}, trigger="api")
    platform.redis.rpush("export", json.dumps({"body": "", "headers": {}}))  # what others put there has no id
    address, _, number = redis_url.rpartition("/")
    monkeypatch.setenv("REDIS_URL", f"{address}/{int(number) + 7}")  # caches beside the broker
    get_settings.cache_clear()
    elsewhere = redis.Redis.from_url(get_settings().redis_url.get_secret_value())
    look = look_at_broker(elsewhere, ["export", None])
    assert look is not None
    assert list(look.waiting) == [started.id]
    elsewhere.close()


def test_what_the_broker_lost_is_sent_again_and_only_once(platform: Platform) -> None:
    started = queue.start_task("sync_qlib", {}, trigger="api")
    platform.redis.delete(*platform.redis.keys("export*"))
    reaper = make_reaper(platform)
    assert reaper.sweep() == 0, "a worker may have it in its hands this moment"
    change(platform, "UPDATE runs SET sent_at = now() - interval '1 min'")
    assert (reaper.sweep(), reaper.sweep()) == (1, 0)
    assert make_outbox(platform).send_due() == 1
    assert waiting(platform) == [started.id]
    change(platform, "UPDATE runs SET sent_at = now() - interval '1 h'")
    assert reaper.sweep() == 0, "it waits in its queue, however long"


def test_what_others_put_into_a_queue_hides_no_run_and_can_be_purged(platform: Platform) -> None:
    started = queue.start_task("sync_qlib", {}, trigger="api")
    anything = ("no JSON", b"\xff\xfe\x00", "[" * 100_000, "null", "[]", '{"headers": 1}', '{"headers": {"id": ["x"]}}')
    platform.redis.rpush("export", *anything)
    look = look_at_broker(platform.redis, ["export"])
    assert look is not None
    assert list(look.waiting) == [started.id]
    with app.connection_for_write() as connection:
        assert connection.default_channel.queue_purge("export") == len(anything) + 1
    assert make_reaper(platform).sweep() == 1


def test_what_is_purged_ends_and_says_so(platform: Platform) -> None:
    started = queue.start_task("sync_qlib", {}, trigger="api")
    with app.connection_for_write() as connection:
        connection.default_channel.queue_purge("export")
    assert make_reaper(platform).sweep() == 1
    run = held(platform, started.id)
    assert (run.state, run.reason) == ("CANCELLED", "It was purged from its queue before it began.")
    assert make_reaper(platform).sweep() == 0
    assert platform.redis.llen("quantlab:purged") == 0


def test_cleaning_up_does_not_forget_what_was_purged(platform: Platform) -> None:
    """While nobody has dealt with it yet: forgotten, it would be sent again, against the operator's word."""
    started = queue.start_task("sync_qlib", {}, trigger="api")
    with app.connection_for_write() as connection:
        connection.default_channel.queue_purge("export")
    clean(platform.context(), keep_of(platform.settings), only=["keys"])
    change(platform, "UPDATE runs SET sent_at = now() - interval '1 min'")
    assert make_reaper(platform).sweep() == 1
    assert held(platform, started.id).state == "CANCELLED"


@pytest.fixture
def reaper(platform: Platform) -> Reaper:
    return make_reaper(platform)


def lose(platform: Platform, run_id: str) -> None:
    """A worker takes the run and is never heard of again."""
    platform.ledger.started(run_id, task=TASK, parameters={}, trigger="api", worker="celery@gone")
    change(platform, "UPDATE runs SET lease_until = now() - interval '1 s' WHERE state = 'STARTED'")


def test_a_run_that_kills_its_workers_is_given_up(platform: Platform, reaper: Reaper) -> None:
    run_id = queue.start_task("sync_qlib", {}, trigger="api").id
    for loss in range(MOST_LOSSES):
        lose(platform, run_id)
        assert reaper.reap() == 1
        assert (held(platform, run_id).state, held(platform, run_id).losses) == ("QUEUED", loss + 1)
        change(platform, "UPDATE runs SET run_after = now()")
        assert make_outbox(platform).send_due() == 1
    lose(platform, run_id)
    assert reaper.reap() == 1
    run = held(platform, run_id)
    assert (run.state, run.error_type, run.losses) == ("FAILED", "WorkerLost", 4)
    assert "celery@gone" in (run.error or "")
    assert "worker number 4" in (run.error or "")


def test_what_must_not_be_repeated_is_lost(platform: Platform, reaper: Reaper) -> None:
    run_id = queue.start_task("sync_qlib", {}, trigger="api").id
    lose(platform, run_id)
    change(platform, "UPDATE runs SET repeatable = false")
    reaper.reap()
    assert (held(platform, run_id).state, held(platform, run_id).attempts) == ("LOST", 1)


def test_a_run_that_was_cancelled_while_its_worker_died_is_cancelled(platform: Platform, reaper: Reaper) -> None:
    run_id = queue.start_task("sync_qlib", {}, trigger="api").id
    lose(platform, run_id)
    assert queue.cancel_run(run_id, by="me").state == "STARTED"
    reaper.reap()
    assert held(platform, run_id).state == "CANCELLED"


def test_a_waiting_run_is_cancelled_at_once(platform: Platform) -> None:
    run_id = queue.start_task("sync_qlib", {}, trigger="api").id
    assert queue.cancel_run(run_id, by="me").reason == "me cancelled it before it began."
    with pytest.raises(InvalidParameter, match="has ended as CANCELLED"):
        queue.cancel_run(run_id, by="me")
