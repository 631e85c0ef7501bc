"""Catching up as an operator sees it: what is missing and its cost, whether it is paused, and which run does it."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.core import queue
from app.core.config import Settings
from app.core.schedules import change_schedule, show_schedule
from app.core.wiring import Platform
from app.errors import InvalidParameter
from app.market.gaps import BARS
from app.services.catch_up import Limits, Plan, plan_catch_up
from app.sources import registry
from app.store import runs
from app.store.engine import transaction
from app.store.runs import Run

TASK = "app.tasks.catch_up"
SCHEDULE = "catch-up"


@dataclass(frozen=True, slots=True)
class Standing:
    """The plan of this moment, the run that works on it (None: none does), and when the next one looks by itself."""

    plan: Plan
    run: Run | None
    paused: bool
    paused_by: str | None
    paused_at: datetime | None
    next_at: datetime | None
    """None while it is paused."""

    def as_json(self) -> dict[str, Any]:
        """As the API and ``--json`` show it."""
        plan = self.plan
        return {
            "first": plan.first,
            "steps": [
                {
                    "dataset": step.dataset,
                    "venue": step.venue,
                    "sessions": list(step.sessions),
                    "requests": step.requests,
                    "minutes": round(step.seconds / 60, 2),
                }
                for step in plan.steps
            ],
            "requests": {site.value: number for site, number in plan.requests.items()},
            "minutes": round(plan.seconds / 60, 2),
            "measured": plan.measured,
            "left_for_later": len(plan.later),
            "tried_lately": [
                {"dataset": cell.dataset, "venue": cell.venue, "session": cell.session, "until": until}
                for cell, until in plan.waiting.items()
            ],
            "run": None if self.run is None else self.run.id,
            "paused": self.paused,
            "paused_by": self.paused_by,
            "next_at": self.next_at,
        }


def limits(settings: Settings, *, days: int | None = None) -> Limits:
    """How far back and how much at a time; *days* in the place of the setting."""
    return Limits(
        days=settings.catch_up_days if days is None else days,
        requests=settings.catch_up_requests,
        seconds_per_request=settings.source_seconds_per_request,
        datasets=(BARS, *registry.figures()),
    )


def look(platform: Platform, *, days: int | None = None) -> Standing:
    """Where it stands; no exchange is asked."""
    plan = plan_catch_up(platform.context(), limits(platform.settings, days=days))
    schedule = show_schedule(SCHEDULE)
    paused = not schedule.enabled
    return Standing(
        plan=plan,
        run=next(iter(_unfinished(platform)), None),
        paused=paused,
        paused_by=schedule.changed_by if paused else None,
        paused_at=schedule.changed_at if paused else None,
        next_at=None if paused else next(iter(schedule.next_fires), None),
    )


def pause(platform: Platform, *, by: str) -> list[str]:
    """Let nothing be caught up by itself until ``resume``; runs under way are cancelled, and their ids returned.

    A run that is fetching ends after the session in hand, which stays.
    """
    change_schedule(SCHEDULE, {"enabled": False}, by=by)
    cancelled = []
    for run in _unfinished(platform):
        with contextlib.suppress(InvalidParameter):  # it has ended meanwhile
            cancelled.append(queue.cancel_run(run.id, by=by).id)
    return cancelled


def resume(*, by: str) -> None:
    """Let it look each hour again."""
    change_schedule(SCHEDULE, {"enabled": None}, by=by)


def _unfinished(platform: Platform) -> list[Run]:
    """Oldest first: the one that works, then those that wait."""
    with transaction(platform.engine) as connection:
        return runs.list_unfinished(connection, TASK)
