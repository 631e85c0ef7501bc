"""``quantlab workers restart --all``: one at a time of those who ask, too."""

from __future__ import annotations

import getpass
import threading
from collections.abc import Callable
from typing import Any, cast

import pytest
from typer.testing import Result

from app.cache.keys import RESTARTING
from app.core import workers as control
from app.core.wiring import Platform
from app.errors import AlreadyRunning, UnknownWorker
from tests.conftest import wait_until

Run = Callable[..., Result]


def test_two_do_not_restart_all_at_once(
    platform: Platform, run: Run, pulses: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first waits for a worker that is not back yet; the second is told of him and tells no worker anything."""
    told: list[str] = []
    monkeypatch.setattr(control, "restart", lambda name: told.append(name) or "ends when its tasks have")
    before = pulses("worker", "celery@one")
    first: list[Result] = []
    thread = threading.Thread(target=lambda: first.append(run("workers", "restart", "--all")))
    thread.start()
    wait_until(lambda: told == ["celery@one"], what="the first restart")

    refused = run("workers", "restart", "--all")
    assert isinstance(refused.exception, AlreadyRunning)
    assert f"are being restarted by {getpass.getuser()}, since " in str(refused.exception)
    assert told == ["celery@one"]

    platform.redis.pexpire(RESTARTING.of(), 1_500)
    wait_until(lambda: cast("int", platform.redis.pttl(RESTARTING.of())) > 1_500, what="that he holds on to it")
    before.stop()
    pulses("worker", "celery@one")
    thread.join(30)
    assert "celery@one is back" in first[0].output, first[0].exception
    assert platform.redis.get(RESTARTING.of()) is None


def test_who_waits_is_told_for_how_long(
    platform: Platform, run: Run, pulses: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that was started in a terminal never comes back; a silent quarter of an hour looks like a hang."""
    pulses("worker", "celery@one")
    monkeypatch.setattr(control, "restart", lambda _: "ends when its tasks have")
    done = run("workers", "restart", "--all", "--within", "1")
    assert "Waiting until it is back, 1 s at most" in done.output
    assert isinstance(done.exception, UnknownWorker)


def test_the_page_restarts_all_in_the_background(
    platform: Platform, pulses: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One at a time, and the next when the one before is back; 409 and 404 come at once."""
    told: list[str] = []
    monkeypatch.setattr(control, "restart", lambda name: told.append(name) or "ends when its tasks have")
    with pytest.raises(UnknownWorker):
        control.begin_restart_of_all("mei")
    old = [pulses("worker", name) for name in ("celery@one", "celery@two")]
    assert control.begin_restart_of_all("mei") == ["celery@one", "celery@two"]
    with pytest.raises(AlreadyRunning, match="by mei"):
        control.begin_restart_of_all("tom")
    wait_until(lambda: told == ["celery@one"])
    for number, name in enumerate(("celery@one", "celery@two"), 1):
        assert len(told) == number
        old[number - 1].stop()
        pulses("worker", name)
        wait_until(lambda: len(told) > number or platform.redis.get(RESTARTING.of()) is None)  # noqa: B023
    assert told == ["celery@one", "celery@two"]


def test_a_worker_that_was_restarted_meanwhile_is_waited_for_as_well(
    platform: Platform, pulses: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its supervisor, while the one before it was restarted: another one is no sign that it is back."""
    told: list[str] = []
    monkeypatch.setattr(control, "restart", lambda name: told.append(name) or "ends when its tasks have")
    old = [pulses("worker", name) for name in ("celery@one", "celery@two", "celery@zed")]
    control.begin_restart_of_all("mei")
    wait_until(lambda: told == ["celery@one"])
    old[1].stop()
    again = pulses("worker", "celery@two")
    old[0].stop()
    pulses("worker", "celery@one")
    wait_until(lambda: told == ["celery@one", "celery@two"])
    looks: list[int] = []
    list_living = control.list_living
    monkeypatch.setattr(control, "list_living", lambda: looks.append(1) or list_living())
    wait_until(lambda: len(looks) > 3 or len(told) > 2, what="that it looks whether it is back")
    assert told == ["celery@one", "celery@two"]
    again.stop()
    pulses("worker", "celery@two")
    wait_until(lambda: told[2:] == ["celery@zed"])
    old[2].stop()
    pulses("worker", "celery@zed")
    wait_until(lambda: platform.redis.get(RESTARTING.of()) is None)


def test_who_was_killed_or_found_nobody_holds_nobody_up(platform: Platform, run: Run) -> None:
    with control.sole_restart_of_all("mei") as hold:
        platform.redis.delete(RESTARTING.of())  # mei's machine slept for longer than that lasts
        hold()
        platform.redis.set(RESTARTING.of(), '{"by": "tom", "since": "2026-11-20T21:00:00+08:00"}')
        with pytest.raises(AlreadyRunning, match="by tom, since 2026-11-20 21:00 "):
            hold()
    assert platform.redis.get(RESTARTING.of()) is not None, "tom's"
    platform.redis.delete(RESTARTING.of())
    assert isinstance(run("workers", "restart", "--all").exception, UnknownWorker)
    assert platform.redis.get(RESTARTING.of()) is None
    assert run("workers").exit_code == 0
