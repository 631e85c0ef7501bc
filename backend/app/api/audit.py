"""The audit: who changed what, over HTTP and from the command line."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from app.api.access import TheUser
from app.api.replies import Reply, ThePlatform, failures
from app.store import audit
from app.store.engine import transaction

router = APIRouter(prefix="/api/v1/audit", tags=["audit"])


class AuditRow(BaseModel):
    """One change."""

    id: int
    at: datetime
    who: str = Field(description="a user, a token's name, or for `cli` the operating system's user")
    via: Literal["session", "token", "admin-token", "cli"]
    action: str = Field(examples=["schedule.change"])
    subject: str = Field(examples=["sync-daily-prices"])
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    outcome: Literal["begun", "done", "failed"] = Field(description="begun for long: the process died over it")
    error: str | None = Field(description="why it failed")


class AuditReply(Reply):
    """The newest first, unless another order was asked for."""

    rows: list[AuditRow]
    next_before: int | None = Field(description="the `before` of the next page; null on the last one")


@router.get("", summary="Who changed what", responses=failures(401, 404, 422))
def list_audit(
    platform: ThePlatform,
    _: TheUser,
    *,
    who: Annotated[str | None, Query(max_length=100, description="only of this one")] = None,
    action: Annotated[str | None, Query(max_length=100, description="its beginning: `schedule`, `user.add`")] = None,
    order: Annotated[
        audit.Order, Query(description="by which column; with a minus from the last to the first")
    ] = "-at",
    before: Annotated[
        int | None, Query(ge=1, le=2**63 - 1, description="id of the last row of the page before, in the same order")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
) -> AuditReply:
    """Every change leaves a row; what was refused before anything was done leaves none."""
    with transaction(platform.engine) as connection:
        found = audit.list_rows(connection, limit=limit + 1, before=before, who=who, action=action, order=order)
    page = found[:limit]
    return AuditReply(
        source=platform.settings.quantlab_source,
        rows=[AuditRow.model_validate(asdict(one)) for one in page],
        next_before=page[-1].id if len(found) > limit else None,
    )
