"""How things stand: what was promised of each dataset, and the sites that we ask."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date

from fastapi import APIRouter
from pydantic import AwareDatetime, BaseModel, Field, computed_field

from app.api.replies import Reply, ThePlatform, failures
from app.api.said import SaidField, SaidRow, said
from app.core import standing

router = APIRouter(prefix="/api/v1", tags=["health"])


class PromiseRow(BaseModel):
    """By when something is held, and whether it is."""

    subject: str = Field(examples=["daily bars of TWSE"])
    when: str = Field(examples=["by 21:30 of each session"], description="Taipei time")
    kept: bool | None = Field(description="null: nothing is due yet, or it cannot be told now")
    lacking: list[str] = Field(description="what is not as promised, or why it cannot be told")
    last_due: date | None = Field(description="the last day whose time has come")

    @computed_field
    def said(self) -> list[SaidRow | None]:
        """What each sentence of ``lacking`` says."""
        return [said(one) for one in self.lacking]

    @computed_field
    def when_said(self) -> SaidField:
        """What ``when`` says."""
        return said(self.when)


class PromisesReply(Reply):
    """Every promise."""

    promises: list[PromiseRow]


class SiteRow(BaseModel):
    """A site and whether it is asked."""

    site: str = Field(examples=["twse"])
    pace: float = Field(description="seconds between two requests, of all workers together")
    closed_since: AwareDatetime | None = Field(description="its breaker is open since then; null: it is asked")
    closed_until: AwareDatetime | None
    closed_because: str | None
    rests: str | None = Field(description="why it is left alone for now: its own quota is used up")


class SitesReply(Reply):
    """Every site."""

    sites: list[SiteRow]


@router.get("/promises", summary="What is promised, and whether it is kept", responses=failures())
def list_promises(platform: ThePlatform) -> PromisesReply:
    """By when each dataset is held, judged at this moment. A broken promise is an incident, too."""
    rows = [PromiseRow.model_validate(asdict(one)) for one in standing.look_at_promises(platform)]
    return PromisesReply(source=platform.settings.quantlab_source, promises=rows)


@router.get("/sites", summary="The sites that are asked", responses=failures())
def list_sites(platform: ThePlatform) -> SitesReply:
    """How often each may be asked, and which are not asked at the moment. No site is asked for this."""
    rows = [SiteRow.model_validate(asdict(one)) for one in standing.look_at_sites(platform)]
    return SitesReply(source=platform.settings.quantlab_source, sites=rows)
