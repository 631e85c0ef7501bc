"""The canary: one at a time in each queue, and none waited for that cannot come."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from celery import Celery
from sqlalchemy import text

from app.ops.canary import TASK, send_canaries
from app.store import heartbeats
from app.store.engine import Engine, make_engine, transaction
from app.store.heartbeats import Canary


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = make_engine(database_url, application_name="test")
    yield engine
    engine.dispose()


@pytest.fixture
def app(redis_url: str) -> Iterator[Celery]:
    app = Celery("canary-test", broker=redis_url, set_as_current=False)
    yield app
    app.close()


def canary(engine: Engine) -> Canary:
    with transaction(engine) as connection:
        (one,) = heartbeats.look(connection).canaries
    return one


def grow_older(engine: Engine, seconds: float) -> None:
    with transaction(engine) as connection:
        connection.execute(
            text(
                "UPDATE heartbeats SET facts = facts || jsonb_build_object('sent_at', "
                "(facts->>'sent_at')::timestamptz - make_interval(secs => :seconds))"
            ),
            {"seconds": seconds},
        )


def take(app: Celery) -> list[dict[str, Any]]:
    """The canaries that wait, taken out of the queue."""
    taken = []
    with app.connection_for_read() as connection, connection.SimpleQueue("q") as queue:
        while True:
            try:
                message = queue.get(block=False)
            except queue.Empty:
                return taken
            assert message.headers["task"] == TASK
            taken.append(message.payload[1])
            message.ack()


def answer(engine: Engine, number: int) -> float | None:
    with transaction(engine) as connection:
        return heartbeats.answer_canary(connection, "q", number, worker="w@here")


def send(app: Celery, engine: Engine) -> list[str]:
    return send_canaries(app, engine, ["q"], priority=9)


def test_sent_answered_and_sent_again_a_minute_later(app: Celery, engine: Engine) -> None:
    assert send(app, engine) == ["q"]
    assert send(app, engine) == []  # another beat, at the same time
    assert take(app) == [{"queue": "q", "number": 1}]
    assert not canary(engine).answered
    latency = answer(engine, 1)
    assert latency is not None
    assert 0 <= latency < 10
    assert answer(engine, 1) is None  # delivered twice: the first answer stands
    one = canary(engine)
    assert (one.answered, one.worker) == (True, "w@here")
    assert send(app, engine) == []
    grow_older(engine, 56)
    assert send(app, engine) == ["q"]
    assert take(app) == [{"queue": "q", "number": 2}]


def test_they_do_not_pile_up(app: Celery, engine: Engine) -> None:
    send(app, engine)
    for _ in range(5):
        grow_older(engine, 60)
        assert send(app, engine) == []  # the first still waits, for nobody works
    grow_older(engine, 600)
    assert send(app, engine) == ["q"]
    assert [one["number"] for one in take(app)] == [1, 2]
    assert answer(engine, 1) is None
    assert answer(engine, 2) is not None


def test_one_that_was_purged_is_replaced_at_once(app: Celery, engine: Engine) -> None:
    send(app, engine)
    take(app)
    grow_older(engine, 61)
    assert send(app, engine) == ["q"]


def test_without_a_broker_it_is_withdrawn_and_the_next_one_need_not_wait(
    engine: Engine, app: Celery, free_port: Any
) -> None:
    away = Celery("away", broker=f"redis://127.0.0.1:{free_port()}/0", set_as_current=False)
    assert send(away, engine) == []
    assert canary(engine).sent_age is None
    assert send(app, engine) == ["q"]
    away.close()
