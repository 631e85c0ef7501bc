"""Catching up: what is missing, what it costs to fetch, and pausing that."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from app.api.access import TheChanger
from app.api.replies import Reply, ThePlatform, failures
from app.core import catching_up
from app.core.catching_up import Standing
from app.core.wiring import Platform
from app.market.security import Venue

router = APIRouter(prefix="/api/v1/catch-up", tags=["catch-up"])


class StepRow(BaseModel):
    """What is asked of one venue and dataset."""

    dataset: str = Field(examples=["daily_bars"])
    venue: Venue | None = Field(description="null: all of them, which is so for the securities lists")
    sessions: list[date] = Field(description="missing ones, newest first")
    requests: int
    minutes: float = Field(description="at the pace of its last sessions, and no faster than the site's quota")


class WaitingRow(BaseModel):
    """A session that was tried lately without a change, and is asked for again later."""

    dataset: str
    venue: Venue
    session: date
    until: datetime


class CatchUpReply(Reply):
    """The plan of this moment with its cost; asking for it asks no exchange."""

    first: date = Field(description="the first day that is looked at")
    steps: list[StepRow]
    requests: dict[str, int] = Field(description="by site")
    minutes: float = Field(description="of the whole: the sites take turns")
    measured: bool = Field(description="minutes at the pace of the last sessions; false: of some none is known")
    left_for_later: int = Field(description="sessions of a venue above a site's share in one run")
    tried_lately: list[WaitingRow]
    run: str | None = Field(description="the run that works on it or waits to; null: none does")
    paused: bool
    paused_by: str | None
    next_at: datetime | None = Field(description="when it looks by itself; null while paused")


_Days = Annotated[int | None, Query(ge=1, le=366, description="calendar days to look back; the setting when left out")]


@router.get("", summary="What is missing, and its cost", responses=failures(422))
def get_plan(platform: ThePlatform, days: _Days = None) -> CatchUpReply:
    """Expected sessions minus held sessions. To fetch them now: `POST /api/v1/tasks/catch_up/runs`."""
    return _reply(platform, catching_up.look(platform, days=days))


@router.post("/pause", summary="Pause it", responses=failures(401, 403))
def pause(platform: ThePlatform, changer: TheChanger) -> CatchUpReply:
    """Nothing is caught up by itself until resumed; a run under way ends after the session in hand, which stays."""
    with changer.change("catch-up.pause", catching_up.SCHEDULE) as row:
        row.after = {"cancelled": catching_up.pause(platform, by=changer.by())}
    return _reply(platform, catching_up.look(platform))


@router.post("/resume", summary="Resume it", responses=failures(401, 403))
def resume(platform: ThePlatform, changer: TheChanger) -> CatchUpReply:
    """It looks each hour again."""
    with changer.change("catch-up.resume", catching_up.SCHEDULE):
        catching_up.resume(by=changer.by())
    return _reply(platform, catching_up.look(platform))


def _reply(platform: Platform, standing: Standing) -> CatchUpReply:
    return CatchUpReply(source=platform.settings.quantlab_source, **standing.as_json())
