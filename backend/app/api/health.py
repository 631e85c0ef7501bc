"""Is the platform well? For people, load balancers and the supervisor."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field, computed_field

from app.api.replies import ThePlatform
from app.api.said import SaidField, said
from app.core.health import ANSWER_WITHIN, find_recent
from app.core.version import VERSION
from app.ops.health import Level, overall

router = APIRouter(tags=["health"])


class ProgramRow(BaseModel):
    """A worker, beat or web, by its heartbeat."""

    name: str = Field(examples=["celery@host"])
    state: Literal["alive", "idle", "busy", "wedged", "dead", "unknown"]


class FindingRow(BaseModel):
    """What was found of one thing."""

    name: str = Field(examples=["postgresql"])
    level: Level
    detail: str
    remedy: str | None
    programs: list[ProgramRow] = Field(description="of worker, beat and web: each that there is")

    @computed_field
    def said(self) -> SaidField:
        """What the detail says."""
        return said(self.detail)


class HealthReply(BaseModel):
    """The whole."""

    status: Literal["ok", "degraded", "down"]
    source: Literal["sandbox", "exchange"]
    prices: Literal["synthetic", "replay", "real"] = Field(description="only `real` are the market's")
    version: str
    findings: list[FindingRow]


class LiveReply(BaseModel):
    """All that there is to say."""

    status: Literal["alive"]


@router.get("/health/live", summary="Is the web itself alive?")
async def live() -> LiveReply:
    """Asks no server: it proves that the web's own loop turns. The supervisor restarts a web that stops answering."""
    return LiveReply(status="alive")


@router.get("/health", summary="Is it well?", responses={503: {"model": HealthReply}})
def health(platform: ThePlatform, response: Response) -> HealthReply:
    """200 while PostgreSQL and Redis answer, else 503; a missing worker makes it `degraded`, not down."""
    findings = find_recent(platform)
    status = overall(findings)
    if status == "down":
        response.status_code = 503
        response.headers["Retry-After"] = str(round(ANSWER_WITHIN) + 1)
    return HealthReply(
        status=status,
        source=platform.settings.quantlab_source,
        prices=platform.settings.prices,
        version=VERSION,
        findings=[
            FindingRow(
                name=f.name,
                level=f.level,
                detail=f.detail,
                remedy=f.remedy,
                programs=[ProgramRow(name=name, state=state) for name, state in f.facts.get("programs", ())],
            )
            for f in findings
        ],
    )
