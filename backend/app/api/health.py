"""Is the platform well? For people, load balancers and the supervisor."""

from __future__ import annotations

import threading
from time import monotonic
from typing import Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from app.api.replies import ThePlatform
from app.core.health import ANSWER_WITHIN, find_all
from app.core.version import VERSION
from app.core.wiring import Platform
from app.ops.health import Finding, Level, overall

router = APIRouter(tags=["health"])

KEEP = 3.0
"""Seconds that an answer is kept: a page that asks often must not ask every worker each time."""


class FindingRow(BaseModel):
    """What was found of one thing."""

    name: str = Field(examples=["postgresql"])
    level: Level
    detail: str
    remedy: str | None


class HealthReply(BaseModel):
    """The whole."""

    status: Literal["ok", "degraded", "down"]
    source: Literal["sandbox", "exchange"]
    prices: Literal["synthetic", "replay", "real"] = Field(description="only `real` are the market's")
    version: str
    findings: list[FindingRow]


class _Kept:
    """The newest findings, made by one caller at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._platform: Platform | None = None
        self._until = 0.0
        self._findings: list[Finding] = []

    def get(self, platform: Platform) -> list[Finding]:
        with self._lock:
            if platform is not self._platform or monotonic() >= self._until:
                self._findings = find_all(platform)
                self._platform, self._until = platform, monotonic() + KEEP
            return self._findings


_kept = _Kept()


@router.get("/health", summary="Is it well?", responses={503: {"model": HealthReply}})
def health(platform: ThePlatform, response: Response) -> HealthReply:
    """200 while PostgreSQL and Redis answer, else 503; a missing worker makes it `degraded`, not down."""
    findings = _kept.get(platform)
    status = overall(findings)
    if status == "down":
        response.status_code = 503
        response.headers["Retry-After"] = str(round(ANSWER_WITHIN) + 1)
    return HealthReply(
        status=status,
        source=platform.settings.quantlab_source,
        prices=platform.settings.prices,
        version=VERSION,
        findings=[FindingRow(name=f.name, level=f.level, detail=f.detail, remedy=f.remedy) for f in findings],
    )
