"""The run ledger, for reading."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field, computed_field

from app.api.access import TheChanger
from app.api.instants import Instant
from app.api.replies import Reply, ThePlatform, failures
from app.api.said import SaidField, said
from app.core import queue
from app.core.queue import full_name
from app.errors import storable
from app.market.security import Venue
from app.store import audit, units
from app.store import runs as store
from app.store.engine import transaction
from app.store.run_filters import RunFilters
from app.store.runs import Order, Run

router = APIRouter(prefix="/api/v1/runs", tags=["runs"])

State = Literal["QUEUED", "STARTED", "RETRY", "SUCCESS", "PARTIAL", "FAILED", "SKIPPED", "CANCELLED", "LOST"]
Trigger = Literal["schedule", "manual", "api", "retry"]


class CountsRow(BaseModel):
    """In rows. null: nobody counted, which is not zero."""

    expected: int | None
    fetched: int | None
    stored: int | None = Field(description="inserted or changed; a repeated run stores 0")
    unchanged: int | None
    quarantined: int | None = Field(description="set aside because they break a rule")


class ProgressRow(BaseModel):
    """How far a run is."""

    done: int
    total: int
    what: str = Field(examples=["daily_bars TWSE 2026-11-20"])

    @computed_field
    def said(self) -> SaidField:
        """What it says."""
        return said(self.what)


class RunRow(BaseModel):
    """One execution of a task."""

    id: str = Field(description="also the id of the Celery task")
    task: str = Field(examples=["app.tasks.sync_daily_prices"])
    parameters: dict[str, Any]
    trigger: Trigger
    state: State
    reason: str | None = Field(description="why it is PARTIAL or SKIPPED, or is tried again")
    queued_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    worker: str | None
    attempts: int
    losses: int = Field(description="attempts that ended with their worker: killed, cut off or frozen")
    schedule: str | None = Field(description="whose tick it is")
    due_at: datetime | None
    late_seconds: float | None = Field(description="how long after due_at it was claimed, above a minute")
    run_after: datetime | None = Field(description="in RETRY: when the next try is due")
    cancel_by: str | None = Field(description="who asked to cancel it while it ran")
    paused_by: str | None = Field(description="who paused it; it goes on once resumed")
    retry_of: str | None = Field(description="the run of which it does over what did not succeed")
    counts: CountsRow
    progress: ProgressRow | None
    error_type: str | None = Field(examples=["SourceUnavailable"])
    error: str | None

    @computed_field
    def said(self) -> SaidField:
        """What the reason says."""
        return said(self.reason)


class UnitRow(BaseModel):
    """A piece of a run that is stored, or fails, alone: a venue and session, a symbol and month."""

    dataset: str
    venue: Venue
    scope: str
    session: date | None
    state: Literal["SUCCESS", "PARTIAL", "FAILED", "SKIPPED"]
    reason: str | None
    counts: CountsRow
    error_type: str | None
    error: str | None
    finished_at: datetime

    @computed_field
    def said(self) -> SaidField:
        """What the reason says."""
        return said(self.reason)


class RunsReply(Reply):
    """Runs, newest first."""

    total: int = Field(description="how many the filters select, on all pages")
    runs: list[RunRow]
    next_before: str | None = Field(description="the `before` of the next page; null on the last one")


class RunsByTaskReply(Reply):
    """The newest runs of each task."""

    tasks: dict[str, list[RunRow]] = Field(description="by the task's full name, newest first; empty: it never ran")


class RunReply(Reply):
    """A run with its units and, if it failed, the traceback."""

    run: RunRow
    units: list[UnitRow]
    traceback: str | None
    started_by: str | None = Field(description="who asked for it; null: it was due, or begun by the platform itself")
    retried_by: list[str] = Field(description="the runs that did over what did not succeed here, the first one first")


def _wanted(
    *,
    task: Annotated[str | None, Query(description="a task's name", examples=["sync_daily_prices"])] = None,
    state: State | None = None,
    trigger: Trigger | None = None,
    search: Annotated[
        str | None,
        Query(max_length=100, description="beginning of an id, or part of parameters, reason, error or worker"),
    ] = None,
    symbol: Annotated[
        str | None, Query(max_length=6, description="runs that were to do this security by name", examples=["2330"])
    ] = None,
    who: Annotated[
        str | None,
        Query(max_length=100, description="who asked for it: a user, a token, or on the command line an account"),
    ] = None,
) -> RunFilters:
    return RunFilters(
        task=task and full_name(task),
        state=state,
        trigger=trigger,
        search=search and storable(search),
        symbol=symbol and storable(symbol),
        who=who and storable(who),
    )


TheFilters = Annotated[RunFilters, Depends(_wanted)]


@router.get("", summary="List runs", responses=failures(404, 422))
def list_runs(
    platform: ThePlatform,
    filters: TheFilters,
    *,
    since: Annotated[Instant | None, Query(description="queued then or later; Taipei time, or with a zone")] = None,
    until: Annotated[Instant | None, Query(description="queued then or earlier; as `since`")] = None,
    order: Annotated[Order, Query(description="by the wish to run, or by how long it took")] = "newest",
    before: Annotated[str | None, Query(description="id of the last run of the page before, in the same order")] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
) -> RunsReply:
    """What was asked for, what ran, what it wrote and why it failed."""
    wanted: RunFilters = {**filters, "since": since, "until": until}
    with transaction(platform.engine) as connection:
        if before is not None:
            store.get(connection, before)
        found = store.list_runs(connection, order=order, before=before, limit=limit + 1, **wanted)
        total = store.count_runs(connection, **wanted)
    page = found[:limit]
    return RunsReply(
        source=platform.settings.quantlab_source,
        total=total,
        runs=[as_row(run) for run in page],
        next_before=page[-1].id if len(found) > limit else None,
    )


@router.get("/by-task", summary="The newest runs of each task", responses=failures(422))
def list_by_task(
    platform: ThePlatform, each: Annotated[int, Query(ge=1, le=100, description="so many of each")] = store.LATELY
) -> RunsByTaskReply:
    """How each task fared lately: for a list of tasks, in one question."""
    names = [task.name for task in queue.list_tasks()]
    with transaction(platform.engine) as connection:
        found = store.newest_by_task(connection, names, each=each)
    rows = {task: [as_row(run) for run in held] for task, held in found.items()}
    return RunsByTaskReply(source=platform.settings.quantlab_source, tasks=rows)


@router.post("/{run_id}/cancel", summary="Cancel a run", responses=failures(401, 403, 404, 422))
def cancel_run(
    platform: ThePlatform,
    run_id: str,
    changer: TheChanger,
    *,
    at_once: Annotated[bool, Query(description="kill its process instead of waiting for a pause")] = False,
) -> RunReply:
    """Take it back: at once while it waits, between two of its units while it works. What is stored stays."""
    with changer.change("run.cancel", run_id) as row:
        run = queue.cancel_run(run_id, by=changer.by(), at_once=at_once)
        row.after = {"task": run.task, "state": run.state, "at_once": at_once}
    return get_run(platform, run_id)


@router.get("/{run_id}", summary="One run with its units", responses=failures(404))
def get_run(platform: ThePlatform, run_id: str) -> RunReply:
    """The run, the pieces of work that it did, and its traceback if it failed. The beginning of an id will do."""
    with transaction(platform.engine) as connection:
        run = store.find(connection, run_id)
        pieces = units.of_run(connection, run.id)
        later = store.retries_of(connection, run.id)
        who = audit.starter_of(connection, run.id)
    return RunReply(
        source=platform.settings.quantlab_source,
        run=as_row(run),
        units=[UnitRow.model_validate(asdict(piece)) for piece in pieces],
        traceback=run.traceback,
        started_by=who,
        retried_by=later,
    )


def as_row(run: Run) -> RunRow:
    """A run as the API shows it."""
    late = None if run.late is None else run.late.total_seconds()
    return RunRow.model_validate({**asdict(run), "late_seconds": late})
