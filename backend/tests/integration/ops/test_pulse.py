"""The pulse of a program on a real PostgreSQL: written, missed, forgotten; and its file, which needs no server."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from app.ops.identity import machine
from app.ops.liveness import Condition, tell
from app.ops.pulse import Pulse
from app.store import heartbeats
from app.store.engine import Engine, make_engine, transaction
from app.store.heartbeats import Seen
from tests.conftest import wait_until


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = make_engine(database_url, application_name="test")
    yield engine
    engine.dispose()


def look(engine: Engine) -> Seen:
    with transaction(engine) as connection:
        return heartbeats.look(connection)


def pulse(url: str, **more: Any) -> Pulse:
    return Pulse(url, **{"kind": "worker", "name": "w@here", "every": 0.05, **more})


def test_written_renewed_and_removed(database_url: str, engine: Engine) -> None:
    mine = pulse(database_url, facts=lambda: {"busy": 1, "slots": 2})
    mine.start()
    wait_until(lambda: look(engine).programs, what="the first heartbeat")
    first = look(engine).programs[0]
    assert (first.kind, first.name, first.pid) == ("worker", "w@here", os.getpid())
    assert first.facts["busy"] == 1
    assert tell(first, look(engine)) is Condition.ALIVE
    wait_until(lambda: look(engine).programs[0].seen_at > first.seen_at, what="the renewal")
    assert look(engine).programs[0].started_at == first.started_at
    mine.stop()
    assert look(engine).programs == ()


def test_a_loop_that_stands_still_shows_in_the_row(database_url: str, engine: Engine) -> None:
    mine = pulse(database_url)
    mine.start()
    wait_until(
        lambda: look(engine).programs and look(engine).programs[0].facts["loop_age"] >= 0.3, what="the age of the loop"
    )
    mine.stamp()
    wait_until(lambda: look(engine).programs[0].facts["loop_age"] < 0.3, what="its turn")
    mine.stop()


def test_without_postgresql_the_file_is_touched_all_the_same_and_one_line_is_logged(
    tmp_path: Path, free_port: Any, caplog: pytest.LogCaptureFixture
) -> None:
    from loguru import logger

    lines: list[str] = []
    sink = logger.add(lambda message: lines.append(message.record["message"]), level="INFO")
    file = tmp_path / "alive"
    mine = pulse(f"postgresql://127.0.0.1:{free_port()}/none", alive_file=file)
    mine.start()
    try:
        wait_until(lambda: lines, what="the line")
        time.sleep(0.3)
        assert len(lines) == 1
        assert "heartbeat cannot be written" in lines[0]
        assert file.exists()
        started = time.monotonic()
        mine.stop()
        assert time.monotonic() - started < 5
    finally:
        logger.remove(sink)


def test_what_is_stuck_touches_no_more(database_url: str, engine: Engine, tmp_path: Path) -> None:
    file, stuck = tmp_path / "alive", threading.Event()
    mine = pulse(database_url, alive_file=file, facts=lambda: {"stuck": stuck.is_set()})
    mine.start()
    assert file.exists()
    stuck.set()
    wait_until(lambda: look(engine).programs and look(engine).programs[0].facts["stuck"], what="being stuck")
    file.unlink()
    mine._touched = 0.0
    mine.stamp()
    assert not file.exists()
    stuck.clear()
    wait_until(lambda: not look(engine).programs[0].facts["stuck"], what="going on")
    mine.stamp()
    assert file.exists()
    mine.stop()


def test_a_successor_takes_the_place_of_one_that_died_on_this_machine(database_url: str, engine: Engine) -> None:
    elsewhere = {"machine": "elsewhere", "born": 1.0}
    with transaction(engine) as connection:
        for name, facts in (("beat@dead", {"machine": machine(), "born": 1.0}), ("beat@elsewhere", elsewhere)):
            heartbeats.renew(connection, "beat", name, host="h", pid=os.getpid(), started=True, facts=facts)
        heartbeats.renew(connection, "web", "web@elsewhere", host="h", pid=1, started=True, facts=elsewhere)
    mine = pulse(database_url, kind="beat", name="beat@new")
    mine.start()
    wait_until(
        lambda: [one.name for one in look(engine).programs] == ["beat@elsewhere", "beat@new", "web@elsewhere"],
        what="the change",
    )
    mine.stop()


def test_the_long_dead_are_forgotten_by_the_living_only(database_url: str, engine: Engine) -> None:
    with transaction(engine) as connection:
        for kind in ("beat", "web"):
            heartbeats.renew(connection, kind, f"{kind}@old", host="h", pid=1, started=True, facts={})
        connection.execute(text("UPDATE heartbeats SET seen_at = seen_at - interval '1 hour'"))
    mine = pulse(database_url, kind="beat", name="beat@new")
    mine.start()
    # Of webs none lives, so that the last one died is still to be seen.
    wait_until(lambda: [one.name for one in look(engine).programs] == ["beat@new", "web@old"], what="forgetting")
    mine.stop()


def test_a_child_of_a_fork_inherits_no_lock_and_removes_no_row(database_url: str, engine: Engine) -> None:
    mine = pulse(database_url, every=0.0)  # writes all the time
    mine.start()
    wait_until(lambda: look(engine).programs, what="the first heartbeat")
    for _ in range(20):
        child = os.fork()
        if child == 0:
            mine.stop()
            own = make_engine(database_url, application_name="child", pool_size=1)
            with transaction(own) as connection:
                connection.execute(text("SELECT 1"))
            os._exit(0)
        deadline = time.monotonic() + 20
        while os.waitpid(child, os.WNOHANG) == (0, 0):
            assert time.monotonic() < deadline, "the child hangs"
            time.sleep(0.01)
    assert look(engine).programs
    mine.stop()
