"""The schedules: what runs when by itself, and changing it."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Query
from pydantic import BaseModel, ConfigDict, Field

from app.api.access import TheChanger
from app.api.replies import Reply, TheSettings, failures
from app.core import schedules

router = APIRouter(prefix="/api/v1/schedules", tags=["schedules"])

Misfire = Literal["skip", "latest", "all"]
By = Annotated[
    str | None, Field(min_length=1, max_length=100, description="who changes it; counts with the admin token only")
]


class Parts(BaseModel):
    """The parts of a schedule that can be changed."""

    enabled: bool
    timing: str = Field(examples=["0 21 * * *", "sessions 0 21 * * *", "in session */15 9-13 * * *", "close+90m"])
    parameters: dict[str, Any]
    misfire: Misfire = Field(description="which of missed ticks run: none, the latest, or all")
    late_limit: int | None = Field(description="seconds after which a tick is not run any more; null: never too late")


class ScheduleRow(Parts):
    """A schedule as it is in force, beside its defaults and what was said against them."""

    name: str = Field(examples=["sync-daily-prices"])
    task: str = Field(examples=["app.tasks.sync_daily_prices"])
    words: str = Field(examples=["daily 21:00"], description="Taipei time")
    defaults: Parts
    overrides: dict[str, Any] = Field(description="only what an operator changed")
    changed_by: str | None
    changed_at: datetime | None
    claimed_until: datetime | None = Field(description="all ticks up to here have their run")
    next_fires: list[datetime]


class SchedulesReply(Reply):
    """All schedules."""

    schedules: list[ScheduleRow]


class ScheduleReply(Reply):
    """One schedule."""

    schedule: ScheduleRow


class PreviewReply(Reply):
    """What a timing means."""

    timing: str = Field(description="as it would be kept")
    words: str
    next_fires: list[datetime]


class Change(BaseModel):
    """What to change; what is left out stays, and null gives that part back to its default."""

    model_config = ConfigDict(extra="forbid", strict=True)

    enabled: bool | None = None
    timing: Annotated[str, Field(max_length=300)] | None = None
    parameters: dict[str, Any] | None = Field(None, description="replace all of the default's")
    misfire: Misfire | None = None
    late_limit: Annotated[int, Field(ge=60, le=366 * 86_400)] | None = None
    by: By = None


_EXAMPLES: dict[str, Any] = {
    "90 minutes after the close": {"value": {"timing": "close+90m", "by": "mei"}},
    "pause": {"value": {"enabled": False}},
    "the default time again": {"value": {"timing": None}},
}


@router.get("", summary="List schedules", responses=failures())
def list_schedules(settings: TheSettings) -> SchedulesReply:
    """Every schedule with its defaults, what operators changed, and its next five fires."""
    rows = [ScheduleRow(**asdict(view)) for view in schedules.list_schedules()]
    return SchedulesReply(source=settings.quantlab_source, schedules=rows)


@router.get("/preview", summary="Preview a timing", responses=failures(422))
def preview(
    settings: TheSettings, timing: Annotated[str, Query(max_length=300, examples=["close+90m"])]
) -> PreviewReply:
    """When a timing would fire; nothing is changed."""
    return PreviewReply(source=settings.quantlab_source, **asdict(schedules.preview(timing)))


@router.get("/{name}", summary="Get a schedule", responses=failures(404))
def get_schedule(settings: TheSettings, name: str) -> ScheduleReply:
    """One schedule."""
    return _reply(settings, schedules.show_schedule(name))


@router.patch("/{name}", summary="Change a schedule", responses=failures(401, 403, 404, 422))
def change_schedule(
    settings: TheSettings, name: str, change: Annotated[Change, Body(openapi_examples=_EXAMPLES)], changer: TheChanger
) -> ScheduleReply:
    """Override parts of it. Schedulers hear of it within seconds; what fell due before keeps its run."""
    changes = change.model_dump(exclude_unset=True, exclude={"by"})
    with changer.change("schedule.change", name) as row:
        changed = schedules.change_schedule(name, changes, by=changer.by(change.by))
        row.before, row.after = changed.before, changed.view.overrides
    return _reply(settings, changed.view)


@router.delete("/{name}/override", summary="Reset a schedule", responses=failures(401, 403, 404, 422))
def reset_schedule(
    settings: TheSettings, name: str, changer: TheChanger, by: Annotated[By, Query()] = None
) -> ScheduleReply:
    """Take back all that was said of it: the defaults hold again."""
    with changer.change("schedule.reset", name) as row:
        changed = schedules.reset_schedule(name, by=changer.by(by))
        row.before, row.after = changed.before, changed.view.overrides
    return _reply(settings, changed.view)


def _reply(settings: TheSettings, view: schedules.ScheduleView) -> ScheduleReply:
    return ScheduleReply(source=settings.quantlab_source, schedule=ScheduleRow(**asdict(view)))
