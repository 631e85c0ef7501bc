"""What a backfill would cost, before anybody starts it; what those that have not ended have left, and pausing them."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from app.api.access import TheChanger
from app.api.replies import Reply, ThePlatform, failures
from app.core import backfilling
from app.core.backfilling import Backfill
from app.core.wiring import Platform
from app.market.security import Venue
from app.services.backfill import Wanted, plan_backfill

router = APIRouter(prefix="/api/v1/backfill", tags=["catch-up"])


class CellRow(BaseModel):
    """A session of a venue, which is one request."""

    venue: Venue
    session: date


class BackfillPlanReply(Reply):
    """What is not held of the range at this moment; asking for it asks no exchange."""

    units: int = Field(description="sessions of a venue that would be asked for")
    held: int = Field(description="those that are held, and left out unless `again`")
    requests: dict[str, int] = Field(description="by site")
    minutes: float
    measured: bool = Field(description="minutes at the pace of the last sessions; false: at the quota's, at the least")
    newest: list[CellRow] = Field(description="the first twenty that would be asked for")


class BackfillRow(BaseModel):
    """A backfill that works, waits or is paused."""

    run: str
    state: Literal["QUEUED", "STARTED", "RETRY"]
    start: date
    end: date
    venue: Venue | None = Field(description="null: both")
    queued_at: datetime
    paused_by: str | None = Field(description="who paused it; one that works ends the session in hand first")
    units: int = Field(description="sessions of a venue that it has left")
    requests: dict[str, int] = Field(description="by site, for those")
    minutes: float


class BackfillsReply(Reply):
    """Those that have not ended, the oldest wish first."""

    backfills: list[BackfillRow]


@router.get("", summary="Backfills under way", responses=failures())
def list_backfills(platform: ThePlatform) -> BackfillsReply:
    """What each that works, waits or is paused has left; asking for it asks no exchange."""
    return _reply(platform)


@router.post("/{run_id}/pause", summary="Pause a backfill", responses=failures(401, 403, 404, 422))
def pause(platform: ThePlatform, run_id: str, changer: TheChanger) -> BackfillsReply:
    """It waits, also through a restart, with all that is stored; one that works ends after the session in hand."""
    with changer.change("backfill.pause", run_id):
        backfilling.pause(platform, run_id, by=changer.by())
    return _reply(platform)


@router.post("/{run_id}/resume", summary="Resume a backfill", responses=failures(401, 403, 404, 422))
def resume(platform: ThePlatform, run_id: str, changer: TheChanger) -> BackfillsReply:
    """The same run goes on, and asks only for what is missing then."""
    with changer.change("backfill.resume", run_id):
        backfilling.resume(platform, run_id)
    return _reply(platform)


def _reply(platform: Platform) -> BackfillsReply:
    found = backfilling.under_way(platform)
    return BackfillsReply(source=platform.settings.quantlab_source, backfills=[_row(one) for one in found])


def _row(one: Backfill) -> BackfillRow:
    plan = one.left.as_json()
    return BackfillRow.model_validate(
        {
            "run": one.run.id,
            "state": one.run.state,
            "start": one.wanted.start,
            "end": one.wanted.end,
            "venue": one.wanted.venue,
            "queued_at": one.run.queued_at,
            "paused_by": one.run.paused_by,
            "units": plan["units"],
            "requests": plan["requests"],
            "minutes": plan["minutes"],
        }
    )


@router.get("/plan", summary="What a backfill would cost", responses=failures(422))
def get_plan(
    platform: ThePlatform,
    start: Annotated[date, Query(description="the first day")],
    end: Annotated[date | None, Query(description="the last day; today when left out")] = None,
    *,
    venue: Annotated[Venue | None, Query(description="both when left out")] = None,
    again: Annotated[bool, Query(description="also what is held")] = False,
) -> BackfillPlanReply:
    """The same plan as `quantlab backfill bars --plan`. To fetch: `POST /api/v1/tasks/backfill_bars/runs`."""
    context = platform.context()
    plan = plan_backfill(
        context,
        Wanted(start, end or context.today(), venue, again),
        seconds_per_request=platform.settings.source_seconds_per_request,
    )
    return BackfillPlanReply(
        source=platform.settings.quantlab_source,
        **plan.as_json(),
        measured=plan.measured,
        newest=[CellRow(venue=cell.venue, session=cell.session) for cell in plan.cells[:20]],
    )
