"""The Celery application: ``celery -A app.core.celery_app worker|beat|call|inspect|status|result|purge|flower``.

To add a task: write a function in ``app/tasks/``, export it in ``app/tasks/__init__.py``, and give it a line in
``BEAT_SCHEDULE`` below. Tasks are named as strings here, so that they can import this module.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click
from celery import Celery
from celery.schedules import crontab, maybe_schedule
from kombu.entity import Exchange, Queue
from kombu.exceptions import OperationalError

from app import spans
from app.core import sending
from app.core.config import get_settings
from app.core.held_calendar import held_calendar
from app.core.signals import connect_signals
from app.core.transport import MAX_PRIORITY, PRIORITY_STEPS, is_redis, register_transports
from app.errors import QuantLabError, UnknownTask
from app.ops.declared import split_policy
from app.ops.schedules import SessionCrontab, SessionDayCrontab, SessionTiming

if TYPE_CHECKING:
    from app.store.engine import Engine

settings = get_settings()
register_transports()

HARDEST_TIME_LIMIT = 2 * 3600
"""Seconds; no task may ask for more, so that no running task's message is ever handed out a second time."""

TRANSPORT_OPTIONS: dict[str, Any] = {
    # A message not acknowledged for so long goes to another worker. A task that runs longer would run twice at
    # once, and a longer countdown as well: hence well above the hardest limit, and no long countdowns.
    "visibility_timeout": 3 * HARDEST_TIME_LIMIT,
    "unacked_restore_interval": 10,
    "unacked_restore_throttle": 1,
    "priority_steps": PRIORITY_STEPS,
    "queue_order_strategy": "priority",
    # Kombu's 10 lose acknowledgements with --pool=gevent --concurrency=1000.
    "max_connections": settings.celery_redis_max_connections,
    "socket_connect_timeout": 5,
    # Some calls are tried three times: together less than the supervisor waits for a sign of life of the main loop.
    "socket_timeout": 10,
    "socket_keepalive": True,
    "health_check_interval": 25,
}
SENTINEL_OPTIONS: dict[str, Any] = {}
if settings.celery_sentinel_master:
    SENTINEL_OPTIONS = {"master_name": settings.celery_sentinel_master, "sentinel_kwargs": settings.sentinel_options}
if is_redis(settings.broker_url):
    TRANSPORT_OPTIONS |= SENTINEL_OPTIONS
else:
    # RabbitMQ's: a message counts as sent when the server says that it has it, and not when it left here.
    TRANSPORT_OPTIONS = {"confirm_publish": True}

QUEUES = ("data_sync", "export", "maintenance", "backfill")

BEAT_SCHEDULE: dict[str, dict[str, Any]] = {
    # Times are Taipei's; app/ops/schedules.py has timings that know trading days and sessions. Arguments go under
    # "kwargs". Of missed ticks "misfire" runs the "latest" (unless it says "all" or "skip"), and none that is older
    # than "late_limit" seconds. Operators override each part: `quantlab schedule`.
    "sync-stock-list": {
        "task": "app.tasks.sync_stock_list",
        "schedule": crontab(hour=8, minute=0),
        "late_limit": 12 * 3600,
    },
    "sync-daily-prices": {
        "task": "app.tasks.sync_daily_prices",
        "schedule": crontab(hour=21, minute=0),
        "late_limit": 12 * 3600,
    },
    "sync-ohlcv-data": {
        "task": "app.tasks.sync_ohlcv_data",
        "schedule": crontab(hour=22, minute=0),
        "late_limit": 12 * 3600,
    },
    "sync-latest-prices": {
        "task": "app.tasks.sync_latest_prices",
        "schedule": SessionCrontab(hour="9-13", minute="*/15"),
        "late_limit": 600,
    },
    # Before the export of that evening, which adjusts by them.
    "sync-corporate-actions": {
        "task": "app.tasks.sync_corporate_actions",
        "schedule": SessionDayCrontab(hour=19, minute=30),
        "late_limit": 12 * 3600,
    },
    # Margin balances are the last to be published, at about 21:00.
    "sync-market-figures": {
        "task": "app.tasks.sync_market_figures",
        "schedule": SessionDayCrontab(hour=21, minute=30),
        "late_limit": 12 * 3600,
    },
    "cleanup-old-cache": {
        "task": "app.tasks.cleanup_old_cache",
        "schedule": crontab(hour=3, minute=0),
        "misfire": "skip",
    },
    "sync-qlib": {
        "task": "app.tasks.sync_qlib",
        "schedule": crontab(hour=22, minute=30),
        "late_limit": 12 * 3600,
    },
    # After Qlib's, one at a time: both read every bar.
    "export-parquet": {
        "task": "app.tasks.export_parquet",
        "schedule": SessionDayCrontab(hour=22, minute=45),
        "late_limit": 12 * 3600,
    },
    # What any time off, here or at an exchange, left out. Pause it with `quantlab catch-up pause`.
    "catch-up": {"task": "app.tasks.catch_up", "schedule": crontab(minute=7)},
}
_ENTRIES, POLICIES = split_policy(BEAT_SCHEDULE)


class _QuantLabCelery(Celery):
    """Celery, but a task is sent only when its run is written down, and a name that no worker knows is refused."""

    def send_task(self, name: str, *args: Any, **kwargs: Any) -> Any:
        """Send it. Under the ``celery`` command what is wrong is told in one sentence, at once."""
        context = click.get_current_context(silent=True)
        if context is None or context.find_root().info_name != "celery":
            return self._send_known(name, *args, **kwargs)
        try:
            with self.connection_for_write() as connection:
                connection.ensure_connection(max_retries=1, interval_start=0, timeout=5)
            return self._send_known(name, *args, **kwargs)
        except QuantLabError as error:
            raise click.ClickException(str(error)) from error
        except OperationalError as error:
            raise click.ClickException(f"Redis does not answer ({error}). Does the platform run? `make up`") from error

    def _send_known(self, name: str, *args: Any, **kwargs: Any) -> Any:
        self.loader.import_default_modules()
        if name not in self.tasks:
            close = difflib.get_close_matches(name, self.tasks, n=1)
            hint = f"did you mean {close[0]}?" if close else "`inspect registered` lists those that there are."
            raise UnknownTask(f"There is no task {name}; {hint}")
        if not name.startswith(sending.OURS):
            return self.publish(name, *args, **kwargs)
        return sending.send(self, self.publish, name, **_arguments(*args, **kwargs))

    schedule_policies: Mapping[str, Any] = POLICIES

    def ledger_engine(self) -> Engine:
        """The store, for the scheduler."""
        from app.core.wiring import get_platform  # noqa: PLC0415 - `inspect` and `status` need no database

        return get_platform().engine

    def publish(self, name: str, *args: Any, **kwargs: Any) -> Any:
        """Hand the message to the broker, with the trace that it belongs to, and do no more."""
        if not (spans.is_on() and name.startswith(sending.OURS)):
            return super().send_task(name, *args, **kwargs)
        task = name.removeprefix(sending.OURS)
        told = {"quantlab.run_id": str(kwargs.get("task_id")), "quantlab.task": task}
        with spans.begin(f"send {task}", "PRODUCER", told):
            kwargs["headers"] = {**(kwargs.get("headers") or {}), **spans.carried()}
            return super().send_task(name, *args, **kwargs)


def _arguments(
    args: Any = None, kwargs: Any = None, countdown: Any = None, eta: Any = None, task_id: Any = None, **options: Any
) -> dict[str, Any]:
    """The arguments of a task and the options of its message, told apart as Celery's ``send_task`` does."""
    rest = {"countdown": countdown, "eta": eta, "task_id": task_id, **options}
    return {"args": args or (), "kwargs": kwargs or {}, "options": rest}


app = _QuantLabCelery("quantlab", include=["app.tasks", "app.tasks.canary"], task_cls="app.tasks._base:QuantLabTask")
app.conf.update(
    broker_url=settings.broker_url,
    result_backend=settings.result_backend,
    broker_transport_options=TRANSPORT_OPTIONS,
    result_backend_transport_options=SENTINEL_OPTIONS,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    broker_pool_limit=10,
    redis_max_connections=settings.celery_redis_max_connections,
    redis_socket_connect_timeout=5,
    redis_socket_timeout=10,
    redis_socket_keepalive=True,
    redis_retry_on_timeout=True,
    redis_backend_health_check_interval=25,
    # JSON only: unpickling what came over the network would run it.
    task_serializer="json",
    result_serializer="json",
    accept_content=["json"],
    result_accept_content=["json"],
    result_expires=settings.celery_result_expires,
    result_extended=True,
    timezone="Asia/Taipei",
    enable_utc=True,
    # A message is acknowledged when its task has ended, and one is reserved at a time: only then does priority
    # order the waiting ones, and only then is nothing lost with a worker. The run of a child that died is queued
    # again by the reaper (ops/reaper.py), which counts; the broker's own ways would do so for ever.
    task_acks_late=True,
    task_reject_on_worker_lost=False,
    worker_prefetch_multiplier=settings.celeryd_prefetch_multiplier,
    worker_max_tasks_per_child=settings.celeryd_max_tasks_per_child,
    worker_max_memory_per_child=settings.celeryd_max_memory_per_child,
    worker_concurrency=settings.celeryd_concurrency,
    worker_cancel_long_running_tasks_on_connection_loss=False,
    worker_hijack_root_logger=False,
    worker_redirect_stdouts=False,
    task_track_started=True,
    task_time_limit=HARDEST_TIME_LIMIT,
    task_default_priority=MAX_PRIORITY // 2,
    task_queue_max_priority=MAX_PRIORITY,
    task_default_queue="data_sync",
    # Each with its own routing key: queues without one share the default's, and each would get every message.
    task_queues=[Queue(name, Exchange(name), routing_key=name) for name in QUEUES],
    task_routes={
        "app.tasks.sync_qlib": {"queue": "export"},
        "app.tasks.export_parquet": {"queue": "export"},
        "app.tasks.cleanup_old_cache": {"queue": "maintenance"},
        "app.tasks.backfill_bars": {"queue": "backfill", "priority": 1},
        "app.tasks.replay_archive": {"queue": "backfill", "priority": 1},
        "app.tasks.catch_up": {"queue": "backfill", "priority": 1},
        "app.tasks.compare_sources": {"queue": "backfill", "priority": 1},
    },
    beat_schedule={
        # Tied to this application: else a crontab takes the zone of whichever application is current.
        name: {
            **entry,
            "schedule": maybe_schedule(entry["schedule"], app=app),
            "options": {"headers": {"trigger": "schedule"}, **entry.get("options", {})},
        }
        for name, entry in _ENTRIES.items()
    },
    beat_scheduler="app.ops.scheduler:LedgerScheduler",
)
app.steps["consumer"].add("app.core.watching:WorkerPulse")
connect_signals()
SessionTiming.calendar = staticmethod(held_calendar)
