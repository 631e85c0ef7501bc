"""Who watches the watchers: the pulse of beat, of a worker and of the web, wired."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import psutil
from celery import signals

from app.cache.client import connect
from app.core.backlog import count_waiting
from app.core.celery_app import app
from app.core.config import Settings, get_settings
from app.core.transport import is_redis, tell_of_attempts
from app.core.version import VERSION, fingerprint
from app.core.wiring import BACKSTAGE, PROMPT, get_platform, reset_platform
from app.errors import QuantLabError
from app.ops.pulse import Pulse
from app.ops.worker_control import pool_name
from app.ops.worker_loop import Consumption, LoopStep
from app.services.keep_logs import LogKeeper

TURN_EVERY = 2.0
KEEP_LOGS_EVERY = 1.0
_REPLY_WITHIN = 3.0


def make_pulse(
    kind: str, name: str, facts: Callable[[], Mapping[str, Any]] = dict, *, settings: Settings | None = None
) -> Pulse:
    """The pulse of this process; it is stopped when the process ends."""
    settings = settings or get_settings()
    code = fingerprint()  # now: later the disk may hold other code than this process runs
    pulse = Pulse(
        settings.database_url.get_secret_value(),
        kind=kind,
        name=name,
        facts=lambda: {"version": VERSION, "code": code, "memory": memory_held(), **facts()},
        alive_file=settings.quantlab_alive_file,
    )
    atexit.register(pulse.stop)
    return pulse


def memory_held() -> int | None:
    """Bytes of this process and its children that stand in memory; None where the system does not say."""
    try:
        own = psutil.Process()
        # What children share with their parent is counted with each: it is what the sum of `ps` says, too.
        return int(own.memory_info().rss) + sum(_rss(child) for child in own.children(recursive=True))
    except psutil.Error:
        return None


def _rss(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:  # it ended meanwhile
        return 0


def own_name(kind: str) -> str:
    """A name that no other process of any machine has at the same time."""
    return f"{kind}@{socket.gethostname()}:{os.getpid()}"


class WorkerPulse(LoopStep):
    """The pulse of a worker; ``core/celery_app.py`` names it among the consumer's steps."""

    name = "pulse"

    def begin(self, consumer: Any) -> Callable[[], object]:
        """Make the pulse; it begins to be written when the worker is ready."""
        settings = get_settings()
        redis = connect(
            settings.redis_url.get_secret_value(),
            max_connections=2,
            reply_within=_REPLY_WITHIN,
            master=settings.celery_sentinel_master,
            sentinel_options=settings.sentinel_options,
        )
        consumption = Consumption(consumer, waiting=lambda queues: count_waiting(redis, queues))
        pulse = make_pulse("worker", consumer.hostname, consumption.facts)
        # These live as long as the process, as the pulse does.
        signals.worker_ready.connect(lambda **_: pulse.start(), weak=False)
        signals.worker_shutting_down.connect(lambda **_: pulse.stopping(), weak=False)
        signals.worker_shutdown.connect(lambda **_: pulse.stop(), weak=False)
        tell_of_attempts(pulse.stamp)
        if pool_name(consumer) == "prefork":
            reset_platform(BACKSTAGE)  # its children, which do the work, have their own
        return pulse.stamp


def watch_beat(scheduler: Any) -> None:
    """Begin the pulse of this beat, whose *scheduler* stamps it at each tick."""
    reset_platform(BACKSTAGE)
    pulse = make_pulse("beat", own_name("beat"))
    scheduler.on_tick = pulse.stamp
    pulse.start()


def be_prompt() -> None:
    """From now on this process gives every server seconds only, for it answers people."""
    reset_platform(PROMPT)
    if is_redis(app.conf.broker_url):
        options = {"socket_timeout": PROMPT.reply, "socket_connect_timeout": PROMPT.reply}
        app.conf.broker_transport_options = {**app.conf.broker_transport_options, **options}


@asynccontextmanager
async def watched_web(settings: Settings) -> AsyncIterator[None]:
    """The pulse of the web while it serves; whatever hangs, its answers come within seconds."""
    be_prompt()
    pulse = make_pulse("web", own_name("web"), settings=settings)

    async def turn() -> None:
        while True:
            pulse.stamp()
            await asyncio.sleep(TURN_EVERY)

    async def keep_logs() -> None:
        """As worker and beat do: on a host without either, who else?"""
        keeper = LogKeeper(lambda: get_platform().engine, settings.log_folder)
        while True:
            with contextlib.suppress(QuantLabError):  # PostgreSQL is away: the files keep them
                await asyncio.to_thread(keeper.keep)
            await asyncio.sleep(KEEP_LOGS_EVERY)

    turning, keeping = asyncio.create_task(turn()), asyncio.create_task(keep_logs())
    pulse.start()
    try:
        yield
    finally:
        turning.cancel()
        keeping.cancel()
        await asyncio.to_thread(pulse.stop)
