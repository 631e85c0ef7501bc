"""The queue port: API, console and CLI start tasks by name through it, and never import a task."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from celery.utils import uuid

from app.core.celery_app import app
from app.core.schedules import held_schedules
from app.core.sending import BROKER_AWAY
from app.core.wiring import get_platform
from app.errors import StoreUnavailable, UnknownTask
from app.ops.schedules import fires
from app.ops.timings import in_words
from app.store.runs import Run

_PREFIX = "app.tasks."
_SCHEMA: tuple[tuple[str, Any], ...] = (("properties", {}), ("required", []), ("$defs", {}))
"""The parts of a task's JSON schema that tell of its parameters, and what each is when there is none."""


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
    names = [*dict.fromkeys(scheduled), *sorted(set(task_names()) - set(scheduled))]
    return [_describe(name) for name in names]


def full_name(name: str) -> str:
    """The full name of a task of ours, given that or its last part. Raises UnknownTask with a hint."""
    full = name if name.startswith(_PREFIX) else _PREFIX + name
    names = task_names()
    if full not in names:
        # Only the last parts: what all names have in common would make anything look close.
        shorts = [known.removeprefix(_PREFIX) for known in names]
        close = difflib.get_close_matches(full.removeprefix(_PREFIX), shorts, n=1)
        hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(sorted(names))}."
        raise UnknownTask(f"There is no task {name!r}; {hint}")
    return full


def next_fires(name: str, *, after: datetime, count: int = 3) -> list[datetime]:
    """The next instants (aware, Taipei) at which beat starts the task of that full name; empty without a schedule."""
    timings = [one.timing for one in held_schedules().values() if one.task == name and one.enabled]
    return sorted({at for timing in timings for at in fires(timing, after=after, count=count)})[:count]


@dataclass(frozen=True, slots=True)
class Started:
    """What came of asking for a run: its id, and whether it is *new* or was under way before."""

    id: str
    new: bool


def start_task(
    name: str,
    parameters: Mapping[str, Any],
    *,
    trigger: str,
    priority: int | None = None,
    force: bool = False,
    retry_of: str | None = None,
) -> Started:
    """Queue a run of the task *name* (``sync_stock_list`` or the full name).

    The same task with the same parameters is not queued twice: while it waits or runs, that run is the answer,
    unless *force*. While the broker is away the run waits in the ledger. *retry_of* names the run of which it leaves
    out what succeeded.

    Raises:
        UnknownTask: no such task; nothing was queued.
        InvalidParameter: a parameter is wrong; nothing was queued.
        StoreUnavailable: PostgreSQL does not answer; nothing was queued.
    """
    task = app.tasks[full_name(name)]
    task.check_parameters((), parameters)
    run_id: str = uuid()
    # None would not mean the default but the lowest priority.
    options = {} if priority is None else {"priority": priority}
    headers: dict[str, Any] = {"trigger": trigger}
    if force:
        headers["force"] = True
    if retry_of is not None:
        headers["retry_of"] = retry_of
    result = task.apply_async(kwargs=dict(parameters), task_id=run_id, headers=headers, **options)
    return Started(result.id, new=result.id == run_id)


def cancel_run(run_id: str, *, by: str, at_once: bool = False) -> Run:
    """Take a run back: at once while it waits, between two of its units while it works.

    With *at_once* the process that works on it is killed (pools of processes only); what is stored stays.

    Raises:
        UnknownRun: there is none of that id.
        InvalidParameter: it has ended already.
        StoreUnavailable: with *at_once*, the broker does not answer; it will stop at its next pause.
    """
    run = get_platform().ledger.cancel(run_id, by=by)
    if at_once and not run.is_final:
        try:
            app.control.revoke(run_id, terminate=True, signal="SIGKILL")
        except BROKER_AWAY as error:
            message = f"The broker does not answer, so {run_id} is cancelled only at its next pause: {error}"
            raise StoreUnavailable(message) from error
    return run


def task_names() -> list[str]:
    """The full names of all tasks of ours."""
    app.loader.import_default_modules()
    return [name for name in app.tasks if name.startswith(_PREFIX)]


def _describe(name: str) -> TaskDescription:
    task = app.tasks[name]
    held = [one for one in held_schedules().values() if one.task == name]
    schedules = [("" if one.enabled else "paused: ") + in_words(one.timing) for one in held]
    schema = task.parameters.model_json_schema()
    route = app.conf.task_routes.get(name, {})
    return TaskDescription(
        name=name,
        summary=(task.__doc__ or "").strip().splitlines()[0] if task.__doc__ else "",
        queue=route.get("queue", app.conf.task_default_queue),
        schedules=tuple(schedules),
        parameters={name: schema.get(name, empty) for name, empty in _SCHEMA},
    )
