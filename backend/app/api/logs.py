"""The logs of every host: searched, paged and followed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query
from fastapi.responses import StreamingResponse
from pydantic import AwareDatetime, BaseModel, Field

from app.api.access import TheUser
from app.api.replies import Reply, ThePlatform, failures
from app.core.wiring import Platform, now
from app.errors import InvalidParameter
from app.market.calendar import TAIPEI
from app.store import log_lines
from app.store.engine import snapshot
from app.store.log_lines import LEVELS, KeptLine, Wanted, level_name

router = APIRouter(prefix="/api/v1/logs", tags=["logs"])

_LAST = 2**63 - 1
MOST = 100_000
"""Lines in one download: some 30 MB."""
_AT_ONCE = 1_000


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


class HostsReply(Reply):
    """By name."""

    hosts: list[str]


def _wanted(
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
) -> Wanted:
    if text is not None and "\0" in text:
        raise InvalidParameter("text holds a NUL, which no line can.")
    return Wanted(
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


TheWanted = Annotated[Wanted, Depends(_wanted)]


@router.get("", summary="Lines of the logs", responses=failures(401, 422))
def list_logs(
    platform: ThePlatform,
    _: TheUser,
    wanted: TheWanted,
    *,
    before: Annotated[int | None, Query(ge=1, le=_LAST, description="numbered below this one")] = None,
    after: Annotated[
        int | None, Query(ge=0, le=_LAST, description="the oldest of those numbered above this one")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> LogsReply:
    """What every program of every host wrote, within about a second. Whoever asks needs a login: logs quote much."""
    with snapshot(platform.engine) as connection:  # what comes in between would be told now and once more
        last = log_lines.last_id(connection)
        found = log_lines.list_lines(connection, wanted, limit=limit + 1, before=before, after=after)
    page = found[-limit:] if after is not None else found[:limit]
    return LogsReply(
        source=platform.settings.quantlab_source,
        lines=[_row(one) for one in page],
        next_before=page[-1].id if len(found) > limit else None,
        last_id=last,
    )


@router.get("/hosts", summary="Hosts of which there are lines", responses=failures(401))
def list_hosts(platform: ThePlatform, _: TheUser) -> HostsReply:
    """The hosts that wrote any line that is kept: what `host` may be."""
    with snapshot(platform.engine) as connection:
        return HostsReply(source=platform.settings.quantlab_source, hosts=log_lines.hosts(connection))


@router.get(
    "/download",
    summary="Download lines of the logs",
    responses={**failures(401, 422), 200: {"content": {"application/x-ndjson": {}}, "description": "an object a line"}},
    response_class=StreamingResponse,
)
def download(platform: ThePlatform, _: TheUser, wanted: TheWanted) -> StreamingResponse:
    """The lines of these filters as .jsonl, the newest first, 100,000 at most: an object as above a line.

    Where there are more, the last line is `{"next_before": id}`: what is older, `until` an earlier instant has.
    """
    name = f"quantlab-logs-{now().astimezone(TAIPEI):%Y%m%dT%H%M%S}.jsonl"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    lines = _jsonl(platform, wanted, _page(platform, wanted, before=None))
    return StreamingResponse(lines, media_type="application/x-ndjson", headers=headers)


def _page(platform: Platform, wanted: Wanted, *, before: int | None) -> list[KeptLine]:
    with snapshot(platform.engine) as connection:
        return log_lines.list_lines(connection, wanted, limit=_AT_ONCE, before=before)


def _jsonl(platform: Platform, wanted: Wanted, page: list[KeptLine]) -> Iterator[str]:
    """A page at a time, each in a transaction of its own: who reads slowly keeps nothing open."""
    told = 0
    while page and told < MOST:
        yield "".join(f"{_row(line).model_dump_json()}\n" for line in page[: MOST - told])
        told += len(page)
        last = page[-1].id
        page = _page(platform, wanted, before=last) if len(page) == _AT_ONCE else []
    if page:
        yield f'{{"next_before": {last}}}\n'


def _row(line: KeptLine) -> LogRow:
    return LogRow.model_validate({**asdict(line), "level": level_name(line.level)})
