"""Values that an exchange published and later changed."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from app.api.replies import Reply, ThePlatform, failures
from app.market.bar import PRICE_FIELDS, to_decimal
from app.store.engine import transaction
from app.store.revisions import Order, list_revisions

router = APIRouter(prefix="/api/v1/revisions", tags=["bars"])


class RevisionRow(BaseModel):
    """One cell: prices in TWD and amounts, as exact decimal text."""

    symbol: str
    session: date
    field: str = Field(examples=["close"])
    old: str | None = Field(examples=["998.5"])
    new: str | None = Field(description="null: withdrawn", examples=["999"])
    source: str = Field(description="the dataset that told", examples=["TWSE.month_bars"])
    run_id: str | None
    seen_at: datetime


class RevisionsReply(Reply):
    """Revisions, newest first unless another order was asked for."""

    count: int
    more: bool
    next_after: int | None = Field(description="the `after` of the next page; null on the last one")
    revisions: list[RevisionRow]


@router.get("", summary="Values that an exchange changed", responses=failures(404, 422))
def get_revisions(
    platform: ThePlatform,
    *,
    symbol: Annotated[str | None, Query(description="of this security")] = None,
    run_id: Annotated[str | None, Query(description="that this run found")] = None,
    order: Annotated[Order, Query(description="by which column; with a minus from the last to the first")] = "-seen_at",
    after: Annotated[
        int | None, Query(ge=1, le=2**63 - 1, description="the `next_after` of the page before, in the same order")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 100,
) -> RevisionsReply:
    """What was held, what replaced it, and when that was seen: raw values are kept both."""
    with transaction(platform.engine) as connection:
        found = list_revisions(connection, symbol=symbol, run_id=run_id, order=order, after=after, limit=limit + 1)
    rows = [
        RevisionRow(
            symbol=one.symbol,
            session=one.session,
            field=one.field,
            old=_text(one.field, one.old),
            new=_text(one.field, one.new),
            source=one.source,
            run_id=one.run_id,
            seen_at=one.seen_at,
        )
        for one in found[:limit]
    ]
    more = len(found) > limit
    return RevisionsReply(
        source=platform.settings.quantlab_source,
        count=len(rows),
        more=more,
        next_after=found[limit - 1].id if more else None,
        revisions=rows,
    )


def _text(field: str, value: int | None) -> str | None:
    if value is None:
        return None
    return f"{to_decimal(value):f}" if field in PRICE_FIELDS else str(value)
