"""Readings over time: memory, busy slots, queues, disk; taken each minute, whether a page is open or not."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from app.api.instants import Instant, window
from app.api.replies import Reply, ThePlatform, failures
from app.store import readings as store
from app.store.engine import transaction

router = APIRouter(prefix="/api/v1/readings", tags=["health"])


class SeriesRow(BaseModel):
    """One line of the picture."""

    subject: str = Field(examples=["celery@host"])
    at: list[datetime]
    values: list[float] = Field(description="the highest of each span; spans without a reading are left out")


class ReadingsReply(Reply):
    """Every subject of that measure."""

    measure: str
    since: datetime
    until: datetime
    series: list[SeriesRow]


@router.get("", summary="Readings over time", responses=failures(422))
def get_readings(
    platform: ThePlatform,
    measure: Annotated[
        Literal["memory", "busy", "waiting", "disk_free"], Query(description="bytes, slots, messages, bytes")
    ],
    *,
    since: Annotated[Instant | None, Query(description="six hours before `until` when left out")] = None,
    until: Annotated[Instant | None, Query(description="now when left out; Taipei time, or with a zone")] = None,
    points: Annotated[int, Query(ge=10, le=1000, description="about so many a subject")] = 240,
) -> ReadingsReply:
    """A value a minute, or the highest of longer spans where the time is long."""
    start, end = window(since, until)
    with transaction(platform.engine) as connection:
        found = store.series(connection, measure, start=start, end=end, points=points)
    return ReadingsReply(
        source=platform.settings.quantlab_source,
        measure=measure,
        since=start,
        until=end,
        series=[
            SeriesRow(subject=name, at=[at for at, _ in held], values=[value for _, value in held])
            for name, held in found.items()
        ],
    )
