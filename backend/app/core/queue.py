"""The queue port: API, console and CLI start tasks by name through it, and never import a task."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import redis
from celery.result import denied_join_result
from celery.utils import uuid
from kombu.exceptions import OperationalError

from app.core.celery_app import app
from app.core.wiring import get_platform
from app.errors import QuantLabError, StoreUnavailable, UnknownTask
from app.ops.schedules import fires, in_words

_PREFIX = "app.tasks."
_ONE_MORE_TRY = {"max_retries": 1, "interval_start": 0, "interval_step": 0.1, "interval_max": 0.1}
"""A person waits for the answer; one more try mends a connection that went stale, no more."""


@dataclass(frozen=True, slots=True)
class TaskDescription:
    """A task that may be started: its full name, what it does, its schedule in words, its parameters' JSON schema."""

    name: str
    summary: str
    queue: str
    schedules: tuple[str, ...]
    parameters: Mapping[str, Any]


def list_tasks() -> list[TaskDescription]:
    """Every task of ours: in the order of the schedule's lines, then those without one by name."""
    scheduled = [entry["task"] for entry in app.conf.beat_schedule.values()]
    names = [*dict.fromkeys(scheduled), *sorted(set(_names()) - set(scheduled))]
    return [_describe(name) for name in names]


def full_name(name: str) -> str:
    """The full name of a task of ours, given that or its last part. Raises UnknownTask with a hint."""
    full = name if name.startswith(_PREFIX) else _PREFIX + name
    names = _names()
    if full not in names:
        # Only the last parts: what all names have in common would make anything look close.
        shorts = [known.removeprefix(_PREFIX) for known in names]
        close = difflib.get_close_matches(full.removeprefix(_PREFIX), shorts, n=1)
        hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(sorted(names))}."
        raise UnknownTask(f"There is no task {name!r}; {hint}")
    return full


def next_fires(name: str, *, after: datetime, count: int = 3) -> list[datetime]:
    """The next instants (aware, Taipei) at which beat starts the task of that full name; empty without a schedule."""
    schedules = [entry["schedule"] for entry in app.conf.beat_schedule.values() if entry["task"] == name]
    return sorted({at for schedule in schedules for at in fires(schedule, after=after, count=count)})[:count]


def start_task(name: str, parameters: Mapping[str, Any], *, trigger: str, priority: int | None = None) -> str:
    """Queue a run of the task *name* (``sync_stock_list`` or the full name) and return its id.

    Raises:
        UnknownTask: no such task; nothing was queued.
        InvalidParameter: a parameter is wrong; nothing was queued.
        StoreUnavailable: the broker does not answer; the run, if it was written down, is FAILED.
    """
    task = app.tasks[full_name(name)]
    task.check_parameters((), parameters)
    run_id: str = uuid()
    # None would not mean the default but the lowest priority.
    options = {} if priority is None else {"priority": priority}
    try:
        # We follow runs in the ledger. Without this each start would subscribe to its result for ever, and try
        # twenty times to do so while Redis is away.
        with denied_join_result():
            task.apply_async(
                kwargs=dict(parameters),
                task_id=run_id,
                headers={"trigger": trigger},
                retry_policy=_ONE_MORE_TRY,
                **options,
            )
    except (OperationalError, redis.RedisError, OSError) as error:
        unavailable = StoreUnavailable(f"The broker does not answer, so nothing was queued: {error}")
        _never_queued(run_id, unavailable)
        raise unavailable from error
    return run_id


def _never_queued(run_id: str, error: StoreUnavailable) -> None:
    """The wish was written down before its message could be sent: end it, for nobody will run it."""
    try:
        get_platform().ledger.failed(run_id, error=error, traceback=None)
    except QuantLabError:
        return  # then the wish is not in the ledger either


def _names() -> list[str]:
    app.loader.import_default_modules()
    return [name for name in app.tasks if name.startswith(_PREFIX)]


def _describe(name: str) -> TaskDescription:
    task = app.tasks[name]
    schedules = [in_words(entry["schedule"]) for entry in app.conf.beat_schedule.values() if entry["task"] == name]
    schema = task.parameters.model_json_schema()
    route = app.conf.task_routes.get(name, {})
    return TaskDescription(
        name=name,
        summary=(task.__doc__ or "").strip().splitlines()[0] if task.__doc__ else "",
        queue=route.get("queue", app.conf.task_default_queue),
        schedules=tuple(schedules),
        parameters={"properties": schema.get("properties", {}), "required": schema.get("required", [])},
    )
