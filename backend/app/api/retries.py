"""Doing over what did not succeed in a run: what that would be, and doing it."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import Any

from fastapi import APIRouter
from pydantic import Field

from app.api.access import TheChanger
from app.api.replies import Reply, ThePlatform, failures
from app.api.runs import UnitRow
from app.core import retrying

router = APIRouter(prefix="/api/v1/runs", tags=["runs"])

MOST_UNITS = 100


class RemainderReply(Reply):
    """What doing over would ask for."""

    task: str
    parameters: dict[str, Any] = Field(description="what it would be started with")
    succeeded: int = Field(description="units that are left out")
    left: int = Field(description="units that are asked for again, about a request each")
    by_dataset: dict[str, int] = Field(description="the same by dataset", examples=[{"daily_bars": 3}])
    units: list[UnitRow] = Field(description=f"the first {MOST_UNITS} of them")
    not_begun: bool = Field(description="it ended early: what it had not begun is asked for, too")


class RetriedReply(Reply):
    """The run that does it over; *new* is false where one with the same parameters is under way."""

    id: str
    new: bool
    url: str = Field(description="where to follow it", examples=["/api/v1/runs/0d1c…"])


@router.get("/{run_id}/retry", summary="What doing over would ask for", responses=failures(404, 422))
def get_remainder(platform: ThePlatform, run_id: str) -> RemainderReply:
    """The units that did not succeed; nothing is started. 422 says why a run cannot be done over in part."""
    left = retrying.remainder_of(run_id)
    return RemainderReply(
        source=platform.settings.quantlab_source,
        task=left.run.task,
        parameters=left.parameters,
        succeeded=left.succeeded,
        left=len(left.units),
        by_dataset=dict(Counter(unit.dataset for unit in left.units)),
        units=[UnitRow.model_validate(asdict(unit)) for unit in left.units[:MOST_UNITS]],
        not_begun=left.not_begun,
    )


@router.post(
    "/{run_id}/retry", summary="Do over what did not succeed", status_code=202, responses=failures(401, 403, 404, 422)
)
def retry_run(platform: ThePlatform, run_id: str, changer: TheChanger) -> RetriedReply:
    """Queue a run of the same task and days that leaves out the units which succeeded; the two point at each other."""
    with changer.change("run.retry", run_id) as row:
        started = retrying.retry_remainder(run_id)
        row.after = {"run": started.id, "new": started.new}
    url = f"/api/v1/runs/{started.id}"
    return RetriedReply(source=platform.settings.quantlab_source, id=started.id, new=started.new, url=url)
