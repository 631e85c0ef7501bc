"""The schedules that the code declares (``BEAT_SCHEDULE``), and what becomes of one under an operator's word."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, cast

from celery.schedules import maybe_schedule
from loguru import logger

from app.errors import ConfigurationError, InvalidParameter, QuantLabError
from app.ops.schedules import Timing
from app.ops.timings import check_timing, parse_timing
from app.store.schedules import MISFIRES, ScheduleRow

Misfire = Literal["skip", "latest", "all"]
SHORTEST_LATE_LIMIT = 60
"""Seconds; a tick younger than that is not late."""

POLICY = ("misfire", "late_limit")
"""Keys of an entry that are ours, not Celery's."""

_OPTIONS = {"queue", "priority", "headers"}


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a task runs by itself, with what, and what happens to ticks that nobody claimed in time.

    ``misfire``: of missed ticks ``skip`` runs none, ``latest`` the last one, ``all`` each. ``late_limit``: seconds
    after which a tick is not worth running; None, it always is.
    """

    name: str
    task: str
    timing: Timing
    parameters: Mapping[str, Any] = field(default_factory=dict)
    queue: str | None = None
    priority: int | None = None
    misfire: Misfire = "latest"
    late_limit: int | None = None
    enabled: bool = True

    def under(self, row: ScheduleRow | None) -> Schedule:
        """What holds with the operator's word in *row*; a word that is no longer understood is told and passed by."""
        said = {} if row is None else row.overrides
        if "timing" in said:
            try:
                said["timing"] = parse_timing(said["timing"])
            except QuantLabError as error:
                logger.error("The schedule {} keeps its default time: {}", self.name, error)
                del said["timing"]
        return replace(self, **said)


def split_policy(entries: Mapping[str, Mapping[str, Any]]) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Celery's part of the entries, and ours by name: Celery refuses keys that it does not know."""
    celerys = {name: {k: v for k, v in entry.items() if k not in POLICY} for name, entry in entries.items()}
    ours = {name: {k: v for k, v in entry.items() if k in POLICY} for name, entry in entries.items()}
    return celerys, ours


def declared(app: Any) -> dict[str, Schedule]:
    """Name → schedule, of the Celery application *app*: ``conf.beat_schedule`` and our ``schedule_policies``.

    Raises:
        ConfigurationError: an entry names no task, parameters that its task refuses, or what cannot be kept here.
    """
    app.loader.import_default_modules()
    policies = getattr(app, "schedule_policies", {})
    entries = app.conf.beat_schedule.items()
    return {name: _declared(app, name, entry, policies.get(name, {})) for name, entry in entries}


def check_policy(misfire: str | None, late_limit: int | None) -> None:
    """Raise InvalidParameter unless they are a misfire policy and a late limit in seconds, or None."""
    if misfire is not None and misfire not in MISFIRES:
        raise InvalidParameter(f"{misfire!r} is no misfire policy; there are {', '.join(MISFIRES)}.")
    if late_limit is not None and not SHORTEST_LATE_LIMIT <= late_limit <= 366 * 86_400:
        raise InvalidParameter(
            f"The late limit is {late_limit} s; it may be from {SHORTEST_LATE_LIMIT} seconds to 366 days."
        )


def unknown(name: str, known: Mapping[str, Any], what: str) -> str:
    """A sentence for a name that is not among the *known* ones, with a hint."""
    close = difflib.get_close_matches(name, known, n=1)
    return f"There is no {what} {name!r}; " + (
        f"did you mean {close[0]}?" if close else f"known are {', '.join(known)}."
    )


def _declared(app: Any, name: str, entry: Mapping[str, Any], policy: Mapping[str, Any]) -> Schedule:
    options = entry.get("options") or {}
    try:
        if entry["task"] not in app.tasks:
            ours = {known: known for known in app.tasks if not known.startswith("celery.")}
            raise ConfigurationError(unknown(entry["task"], ours, "task"))
        if refused := set(options) - _OPTIONS:
            raise ConfigurationError(
                f"the options {', '.join(sorted(refused))} are not possible; `late_limit` says when a tick is too late."
            )
        task = app.tasks[entry["task"]]
        args, kwargs = entry.get("args") or (), entry.get("kwargs") or {}
        task.check_parameters(args, kwargs)
        check_policy(policy.get("misfire"), policy.get("late_limit"))
        timing = maybe_schedule(entry["schedule"], app=app)
        check_timing(timing)
    except QuantLabError as error:
        raise ConfigurationError(f"The schedule {name!r} cannot be kept: {error}") from error
    route = app.conf.task_routes.get(task.name, {}) if isinstance(app.conf.task_routes, dict) else {}
    return Schedule(
        name=name,
        task=task.name,
        timing=timing,
        parameters=task.canonical_parameters(args, kwargs),
        queue=options.get("queue", route.get("queue", app.conf.task_default_queue)),
        priority=options.get("priority", route.get("priority", app.conf.task_default_priority)),
        misfire=cast("Misfire", policy.get("misfire", "latest")),
        late_limit=policy.get("late_limit"),
    )
