"""The runs in time, for a picture."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from app.api.instants import Instant, window
from app.api.replies import Reply, ThePlatform, failures
from app.api.runs import CountsRow, State, TheFilters
from app.store import timeline
from app.store.engine import transaction

router = APIRouter(prefix="/api/v1/runs", tags=["runs"])


class TimelineRow(BaseModel):
    """A run as a bar of the timeline."""

    id: str
    task: str
    state: State
    worker: str | None = Field(description="null: none has taken it yet")
    queued_at: datetime
    started_at: datetime | None
    finished_at: datetime | None = Field(description="null: it has not ended")
    counts: CountsRow


class TimelineReply(Reply):
    """What was going on, the newest wish first."""

    since: datetime
    until: datetime
    runs: list[TimelineRow]
    cut: bool = Field(description="there are more, older ones, than `limit`: narrow the time or the filters")


@router.get("/timeline", summary="Runs as bars in time", response_model=TimelineReply, responses=failures(404, 422))
def get_timeline(
    platform: ThePlatform,
    filters: TheFilters,
    *,
    since: Annotated[Instant | None, Query(description="six hours before `until` when left out")] = None,
    until: Annotated[Instant | None, Query(description="now when left out; Taipei time, or with a zone")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 500,
) -> Response:
    """Every run that waited or worked in that time, with what a picture needs and no more."""
    start, end = window(since, until)
    with transaction(platform.engine) as connection:
        found = timeline.in_window(connection, start=start, end=end, limit=limit + 1, **filters)
    reply = TimelineReply(
        source=platform.settings.quantlab_source,
        since=start,
        until=end,
        runs=[TimelineRow.model_validate(run, from_attributes=True) for run in found[:limit]],
        cut=len(found) > limit,
    )
    # A thousand rows, written straight: FastAPI's way through Python values takes several times as long.
    return Response(reply.model_dump_json(), media_type="application/json")
