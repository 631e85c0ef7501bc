"""Catching up as an operator sees it: what is missing and its cost, whether it is paused, and which run does it."""

from __future__ import annotations

from app.core.config import Settings
from app.services.catch_up import Limits

TASK = "app.tasks.catch_up"
SCHEDULE = "catch-up"


def limits(settings: Settings, *, days: int | None = None) -> Limits:
    """How far back and how much at a time; *days* in the place of the setting."""
    return Limits(
        days=settings.catch_up_days if days is None else days,
        requests=settings.catch_up_requests,
        seconds_per_request=settings.source_seconds_per_request,
    )
