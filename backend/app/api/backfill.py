"""What a backfill would cost, before anybody starts it."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from app.api.replies import Reply, ThePlatform, failures
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
