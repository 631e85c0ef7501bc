"""Backfills that have not ended, as an operator sees them: what each has left, and pausing and resuming it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.core.celery_app import app
from app.core.wiring import Platform
from app.errors import InvalidParameter
from app.services.backfill import BackfillPlan, Wanted, plan_backfill
from app.services.catch_up import done_by
from app.services.context import Context
from app.store import pausing, runs
from app.store.engine import transaction
from app.store.runs import Run

TASK = "app.tasks.backfill_bars"


@dataclass(frozen=True, slots=True)
class Backfill:
    """One that works, waits or is paused, and what it would still ask for at this moment."""

    run: Run
    wanted: Wanted
    left: BackfillPlan


def under_way(platform: Platform) -> list[Backfill]:
    """The oldest wish first; no exchange is asked."""
    with transaction(platform.engine) as connection:
        found = runs.list_unfinished(connection, TASK)
    return [_look(platform, run) for run in found]


def pause(platform: Platform, run_id: str, *, by: str) -> Run:
    """Let it wait, one that works after the session in hand; all that is stored stays.

    Raises:
        UnknownRun: there is none of that id.
        InvalidParameter: it is no backfill, has ended, or is paused already.
    """
    with transaction(platform.engine) as connection:
        _check(runs.get(connection, run_id))
        if not pausing.pause(connection, run_id, by=by):
            raise InvalidParameter(f"The run {run_id} has ended or is paused: there is nothing to pause.")
        return runs.get(connection, run_id)


def resume(platform: Platform, run_id: str) -> Run:
    """Let it go on with what is missing then.

    Raises:
        UnknownRun: there is none of that id.
        InvalidParameter: it is no backfill, or not paused.
    """
    with transaction(platform.engine) as connection:
        _check(runs.get(connection, run_id))
        if not pausing.resume(connection, run_id):
            raise InvalidParameter(f"The run {run_id} is not paused: there is nothing to resume.")
        return runs.get(connection, run_id)


def wanted_by(context: Context, given: Mapping[str, Any]) -> Wanted:
    """The range that a backfill with these parameters fetches; they are validated."""
    return Wanted(given["start"], given["end"] or context.today(), given["venue"], given["again"])


def _look(platform: Platform, run: Run) -> Backfill:
    context = platform.context()
    app.loader.import_default_modules()
    wanted = wanted_by(context, app.tasks[TASK].check_parameters((), run.parameters))
    pace = platform.settings.source_seconds_per_request
    return Backfill(
        run, wanted, plan_backfill(context, wanted, seconds_per_request=pace, done=done_by(context, run.id))
    )


def _check(run: Run) -> None:
    if run.task != TASK:
        raise InvalidParameter(
            f"The run {run.id} is {run.task}, and only a backfill pauses: `quantlab runs cancel {run.id}` ends it."
        )
