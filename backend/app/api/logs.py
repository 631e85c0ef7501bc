"""The logs of every host: searched, paged and followed."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, BaseModel, Field

from app.api.access import TheUser
from app.api.replies import Reply, ThePlatform, failures
from app.errors import InvalidParameter
from app.store import log_lines
from app.store.engine import snapshot
from app.store.log_lines import LEVELS, Wanted, level_name

router = APIRouter(prefix="/api/v1/logs", tags=["logs"])

_LAST = 2**63 - 1


class LogRow(BaseModel):
    """One line."""

    id: int = Field(description="later lines have higher numbers")
    at: AwareDatetime
    level: str = Field(examples=["INFO"])
    host: str
    program: str = Field(examples=["worker"], description="worker, beat, web, celery, or unknown")
    pid: int
    task: str | None = Field(examples=["app.tasks.sync_daily_prices"], description="null outside of a run")
    run_id: str | None
    module: str = Field(examples=["app.services.units"])
    message: str = Field(description="cut, and saying so, where it is longer than 20,000 characters")
    traceback: str | None


class LogsReply(Reply):
    """The newest first."""

    lines: list[LogRow]
    next_before: int | None = Field(description="the `before` of the next, older page; null on the last one")
    last_id: int = Field(description="the newest line of all, wanted or not: ask `after` it for what is new")


@router.get("", summary="Lines of the logs", responses=failures(401, 422))
def list_logs(
    platform: ThePlatform,
    _: TheUser,
    *,
    level: Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR"] | None, Query(description="at least")] = None,
    task: Annotated[str | None, Query(max_length=100, description="sync_daily_prices, or the full name")] = None,
    run_id: Annotated[str | None, Query(max_length=100, description="only of this run")] = None,
    program: Annotated[str | None, Query(max_length=50, description="worker, beat, web")] = None,
    host: Annotated[str | None, Query(max_length=255)] = None,
    symbol: Annotated[str | None, Query(pattern="^[0-9A-Z]{4,6}$", description="lines that name it")] = None,
    text: Annotated[str | None, Query(max_length=200, description="lines that hold it, whatever the case")] = None,
    since: Annotated[AwareDatetime | None, Query(description="not older than")] = None,
    until: Annotated[AwareDatetime | None, Query(description="not newer than")] = None,
    before: Annotated[int | None, Query(ge=1, le=_LAST, description="numbered below this one")] = None,
    after: Annotated[
        int | None, Query(ge=0, le=_LAST, description="the oldest of those numbered above this one")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> LogsReply:
    """What every program of every host wrote, within about a second. Whoever asks needs a login: logs quote much."""
    if text is not None and "\0" in text:
        raise InvalidParameter("text holds a NUL, which no line can.")
    wanted = Wanted(
        level=LEVELS[level] if level else None,
        task=task and (task if "." in task else f"app.tasks.{task}"),
        run_id=run_id,
        program=program,
        host=host,
        symbol=symbol,
        words=text,
        since=since,
        until=until,
    )
    with snapshot(platform.engine) as connection:  # what comes in between would be told now and once more
        last = log_lines.last_id(connection)
        found = log_lines.list_lines(connection, wanted, limit=limit + 1, before=before, after=after)
    page = found[-limit:] if after is not None else found[:limit]
    return LogsReply(
        source=platform.settings.quantlab_source,
        lines=[LogRow.model_validate({**asdict(one), "level": level_name(one.level)}) for one in page],
        next_before=page[-1].id if len(found) > limit else None,
        last_id=last,
    )
