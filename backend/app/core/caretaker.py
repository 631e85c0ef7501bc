"""What worker and beat see to besides their work: messages to send, dead runs to revive. Any number may do so."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass

from loguru import logger

from app.core import alerts, readings
from app.core.backlog import forget_purged, look_at_broker
from app.core.celery_app import app
from app.core.sending import CAPS, publish_run
from app.core.transport import MAX_PRIORITY
from app.core.wiring import Platform, now
from app.errors import QuantLabError
from app.ops.canary import send_canaries
from app.ops.outbox import Outbox
from app.ops.reaper import Reaper
from app.services.keep_logs import LogKeeper

_LONGEST_WAIT = 10.0
"""Seconds that a fork waits for a duty."""


@dataclass(frozen=True, slots=True)
class Duty:
    """*act* is called every so many seconds, and each time that somebody wakes it."""

    name: str
    every: float
    act: Callable[[], object]


class Caretaker:
    """Does each duty in a thread of its own, so that a slow one holds up no other."""

    def __init__(self, duties: Sequence[Duty]) -> None:
        self._duties = duties
        self._wake = {duty.name: threading.Event() for duty in duties}
        self._at_work: AbstractContextManager[object] = nullcontext()

    def start(self, *, forks: bool = False) -> None:
        """Begin; the threads end with the process, which must say if it *forks*."""
        if forks:
            self._keep_apart_from_forks()
        for duty in self._duties:
            threading.Thread(target=self._see_to, args=(duty,), name=duty.name, daemon=True).start()

    def wake(self, name: str) -> None:
        """Do that duty now."""
        self._wake[name].set()

    def _keep_apart_from_forks(self) -> None:
        """Let duties take turns with forks, and with each other.

        A fork copies the locks that other threads hold at that moment, and nobody in the child would release them.
        """
        gate = threading.RLock()

        def go_on() -> None:
            with suppress(RuntimeError):  # the fork did not wait for a duty that hangs
                gate.release()

        os.register_at_fork(before=lambda: gate.acquire(timeout=_LONGEST_WAIT), after_in_parent=go_on)
        self._at_work = gate

    def _see_to(self, duty: Duty) -> None:
        wake, down = self._wake[duty.name], False
        while True:
            try:
                with self._at_work:
                    duty.act()
                down = False
            except QuantLabError as error:
                if not down:  # one line, however long the server is away
                    logger.warning("{}: {}; trying again every {:g} s", duty.name, error, duty.every)
                down = True
            except Exception as error:
                logger.opt(exception=error).error("{} failed; trying again in {:g} s", duty.name, duty.every)
            wake.wait(duty.every)
            wake.clear()


def make_outbox(platform: Platform) -> Outbox:
    """The outbox of this process."""
    return Outbox(platform.engine, publish=lambda run: publish_run(app.publish, run), caps=CAPS)


def make_reaper(platform: Platform) -> Reaper:
    """The reaper of this process."""
    return Reaper(
        platform.engine,
        clock=now,
        look=lambda queues: look_at_broker(platform.redis, queues),
        settled=lambda ids: forget_purged(platform.redis, ids),
    )


def beat_duties(platform: Platform) -> list[Duty]:
    """What beat alone sees to."""
    queues = [queue.name for queue in app.conf.task_queues]
    return [
        Duty("alerts", alerts.EVERY, lambda: alerts.look_and_tell(platform)),
        Duty("canary", 60.0, lambda: send_canaries(app, platform.engine, queues, priority=MAX_PRIORITY)),
    ]


def ledger_duties(platform: Platform) -> list[Duty]:
    """Those that keep every run going: for worker and beat alike."""
    return [
        Duty("outbox", 2.0, lambda: make_outbox(platform).send_due()),
        Duty("reaper", 3.0, lambda: make_reaper(platform).sweep()),
        Duty("logs", 1.0, LogKeeper(lambda: platform.engine, platform.settings.log_folder).keep),
        Duty("readings", readings.EVERY, lambda: readings.take(platform)),
    ]


def worker_duties(platform: Platform) -> list[Duty]:
    """What a worker alone sees to: who else would tell that no beat lives?"""
    return [Duty("alerts", alerts.EVERY, lambda: alerts.stand_in_for_beat(platform))]
