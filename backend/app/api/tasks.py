"""The tasks: what there is, when each fires, and starting one."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from app.api.access import TheChanger
from app.api.replies import Reply, ThePlatform, TheSettings, failures
from app.core import costs, queue
from app.core.wiring import now
from app.errors import InvalidParameter
from app.store import runs
from app.store.engine import transaction

router = APIRouter(prefix="/api/v1/tasks", tags=["tasks"])


class TaskRow(BaseModel):
    """A task that may be started."""

    name: str = Field(examples=["app.tasks.sync_daily_prices"])
    summary: str
    queue: str
    schedules: list[str] = Field(description="in words, Taipei time", examples=[["daily 21:00"]])
    next_fires: list[datetime]
    parameters: dict[str, Any] = Field(description="JSON Schema of its parameters")


class TasksReply(Reply):
    """All tasks: scheduled ones first."""

    tasks: list[TaskRow]


class StatsRow(BaseModel):
    """A task's runs of some days."""

    task: str = Field(examples=["app.tasks.sync_daily_prices"])
    total: int
    by_state: dict[str, int] = Field(examples=[{"SUCCESS": 6, "FAILED": 1}])
    seconds: float | None = Field(description="mean of those that succeeded; null without one")
    last_queued_at: datetime
    last_success_at: datetime | None


class StatsReply(Reply):
    """By task; one that did not run is not there."""

    tasks: list[StatsRow]


class RunRequest(BaseModel):
    """What to run it with."""

    model_config = ConfigDict(extra="forbid")

    parameters: dict[str, Any] = Field(
        default_factory=dict, description="as the task's JSON Schema says; what is left out takes its default"
    )
    priority: int | None = Field(None, ge=0, le=10, description="10 runs before 1; 5 when left out")
    force: bool = Field(False, description="start another run even when the same is under way")
    trigger: Literal["api", "manual"] = Field("api", description="`manual` when a person pressed a button")


class QueuedReply(Reply):
    """The run is queued, or was under way before; a worker takes it when one is free."""

    id: str
    task: str
    new: bool = Field(description="false: the same task with the same parameters is under way, and this is its run")
    url: str = Field(description="where to follow it", examples=["/api/v1/runs/0d1c…"])


_EXAMPLES: dict[str, Any] = {
    "defaults": {"value": {}},
    "two stocks, 30 days": {"value": {"parameters": {"stock_ids": ["2330", "2317"], "days": 30}}},
}


@router.get("", summary="List tasks")
def list_tasks(settings: TheSettings) -> TasksReply:
    """Every task that may be started, with its schedule, its next fires and its parameters."""
    at = now()
    rows = [TaskRow(**asdict(task), next_fires=queue.next_fires(task.name, after=at)) for task in queue.list_tasks()]
    return TasksReply(source=settings.quantlab_source, tasks=rows)


@router.get("/stats", summary="How the tasks fared", responses=failures(422))
def get_stats(
    platform: ThePlatform, days: Annotated[int, Query(ge=1, le=366, description="runs of the last so many days")] = 7
) -> StatsReply:
    """How often each task ran, how that ended, and how long its successes took."""
    with transaction(platform.engine) as connection:
        found = runs.stats(connection, since=now() - timedelta(days=days))
    rows = [StatsRow.model_validate(asdict(one)) for one in found]
    return StatsReply(source=platform.settings.quantlab_source, tasks=rows)


class CostReply(Reply):
    """What a run would ask for at this moment; asking for it asks no exchange."""

    task: str
    asks: bool = Field(description="false: this task never asks an exchange")
    requests: dict[str, int] = Field(description="by site; empty: nothing is to be asked for", examples=[{"twse": 5}])
    minutes: float = Field(description="how long those take")
    measured: bool = Field(description="minutes at the pace of the last ones; false: at the quota's, at the least")


@router.get("/{name}/plan", summary="What a run would cost", responses=failures(404, 422))
def get_cost(
    platform: ThePlatform,
    name: str,
    parameters: Annotated[
        str,
        Query(max_length=8_000, description="as for starting it, as JSON text", examples=['{"days": 30}']),
    ] = "{}",
) -> CostReply:
    """The parameters are checked as for a start. On a database without securities lists, those are counted first."""
    try:
        given = json.loads(parameters)
    except (ValueError, RecursionError):
        given = None
    if not isinstance(given, dict):
        raise InvalidParameter('parameters is no JSON object, such as {"days": 30}.')
    cost = costs.cost_of(platform, name, given)
    return CostReply(
        source=platform.settings.quantlab_source,
        task=queue.full_name(name),
        asks=cost.asks,
        requests=dict(cost.requests),
        minutes=round(cost.seconds / 60, 1),
        measured=cost.measured,
    )


@router.post("/{name}/runs", summary="Start a task", status_code=202, responses=failures(401, 403, 404, 422))
def start_task(
    settings: TheSettings,
    name: str,
    response: Response,
    changer: TheChanger,
    request: Annotated[RunRequest, Body(openapi_examples=_EXAMPLES)] = RunRequest(),
) -> QueuedReply:
    """Queue a run, or be told of the one under way with the same parameters.

    Only the tasks of the list can be started, with parameters that fit their schema.
    """
    task = queue.full_name(name)
    with changer.change("run.start", task) as row:
        started = queue.start_task(
            task, request.parameters, trigger=request.trigger, priority=request.priority, force=request.force
        )
        row.after = {"run": started.id, "new": started.new, "parameters": request.parameters}
    url = f"/api/v1/runs/{started.id}"
    response.headers["Location"] = url
    return QueuedReply(source=settings.quantlab_source, id=started.id, task=task, url=url, new=started.new)
