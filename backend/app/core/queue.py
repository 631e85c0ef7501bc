"""The queue port: API, console and CLI start tasks by name through it, and never import a task."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.core.celery_app import app
from app.errors import InvalidParameter
from app.ops.schedules import in_words

_PREFIX = "app.tasks."


@dataclass(frozen=True, slots=True)
class TaskDescription:
    """A task that may be started: its full name, what it does, its schedule in words, its parameters' JSON schema."""

    name: str
    summary: str
    queue: str
    schedules: tuple[str, ...]
    parameters: Mapping[str, Any]


def list_tasks() -> list[TaskDescription]:
    """Every task of ours, in order of name."""
    return [_describe(name) for name in sorted(_names())]


def start_task(name: str, parameters: Mapping[str, Any], *, trigger: str, priority: int | None = None) -> str:
    """Queue a run of the task *name* (``sync_stock_list`` or the full name) and return its id.

    Raises:
        InvalidParameter: no such task, or a parameter is wrong; nothing was queued.
    """
    full = name if name.startswith(_PREFIX) else _PREFIX + name
    names = _names()
    if full not in names:
        close = difflib.get_close_matches(full, names, n=1)
        hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(sorted(names))}."
        raise InvalidParameter(f"There is no task {name!r}; {hint}")
    task = app.tasks[full]
    task.check_parameters((), parameters)
    result = task.apply_async(kwargs=dict(parameters), headers={"trigger": trigger}, priority=priority)
    return str(result.id)


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
