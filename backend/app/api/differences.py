"""Differences: where another source says something else than the exchange."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, BaseModel, Field

from app.api.replies import Reply, ThePlatform, failures
from app.api.securities import unknown_symbol
from app.core.referee import OtherName
from app.errors import InvalidParameter
from app.market.bar import BAR_FIELDS, PRICE_FIELDS, to_decimal
from app.store import differences as store
from app.store import securities
from app.store.engine import transaction

router = APIRouter(prefix="/api/v1/differences", tags=["differences"])

Value = Annotated[
    int | str | None,
    Field(description="TWD as exact decimal text for prices, whole numbers else; null: that side has no value"),
]


class DifferenceRow(BaseModel):
    """One cell. A session of which a side lacks the whole bar shows as its close."""

    source: OtherName = Field(description="who says otherwise")
    symbol: str = Field(examples=["2330"])
    session: date
    field: Literal["open", "high", "low", "close", "change", "volume", "turnover", "trades"]
    ours: Value = Field(examples=["1455"])
    theirs: Value = Field(examples=["1460"])
    run_id: str | None = Field(description="the run that saw it last")
    seen_at: AwareDatetime = Field(description="when it was seen last; it is gone once a comparison finds it no more")


class DifferencesReply(Reply):
    """Differences, newest session first, then by symbol, unless another order was asked for."""

    total: int = Field(description="how many the filters select, on all pages")
    differences: list[DifferenceRow]
    next_after: str | None = Field(description="the `after` of the next page; null on the last one")


@router.get("", summary="Differences from other sources", responses=failures(404, 422))
def get_differences(
    platform: ThePlatform,
    *,
    source: Annotated[OtherName | None, Query(description="who says otherwise; anybody when left out")] = None,
    symbol: Annotated[str | None, Query(max_length=6, description="of this security")] = None,
    field: Annotated[str | None, Query(max_length=20, description="of this field")] = None,
    start: Annotated[date | None, Query(description="first session, YYYY-MM-DD")] = None,
    end: Annotated[date | None, Query(description="last session, YYYY-MM-DD")] = None,
    order: Annotated[
        store.Order, Query(description="by which column, then by the others; with a minus from the last to the first")
    ] = "-session",
    after: Annotated[
        str | None, Query(max_length=60, description="the `next_after` of the page before, in the same order")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
    offset: Annotated[int, Query(ge=0, le=10_000_000, description="how many to skip; `after` skips none twice")] = 0,
) -> DifferencesReply:
    """What `app.tasks.compare_sources` found. The exchange's value is never overwritten by another."""
    if start and end and start > end:
        raise InvalidParameter(f"start {start} is later than end {end}.")
    if field is not None and field not in BAR_FIELDS:
        raise InvalidParameter(f"There is no field {field!r}; there are {', '.join(BAR_FIELDS)}.")
    with transaction(platform.engine) as connection:
        if symbol is not None and securities.find(connection, symbol) is None:
            raise unknown_symbol(symbol)
        found = store.list_differences(
            connection,
            source=source,
            symbol=symbol,
            field=field,
            start=start,
            end=end,
            order=order,
            after=_cell(after),
            limit=limit + 1,
            offset=offset,
        )
        total = store.count_differences(connection, source=source, symbol=symbol, field=field, start=start, end=end)
    page = found[:limit]
    return DifferencesReply(
        source=platform.settings.quantlab_source,
        total=total,
        differences=[_row(one) for one in page],
        next_after=_name(page[-1]) if len(found) > limit else None,
    )


def _name(held: store.HeldDifference) -> str:
    """What names a cell, so that a page goes on even from one that has been settled since."""
    return f"{held.session} {held.symbol} {held.source} {held.field}"


def _cell(name: str | None) -> store.Place | None:
    if name is None:
        return None
    try:
        session, symbol, source, field = name.split(" ")
        return date.fromisoformat(session), symbol, source, field
    except ValueError:
        raise InvalidParameter(f"after is {name!r}: give the `next_after` of the page before, as it came.") from None


def _row(held: store.HeldDifference) -> DifferenceRow:
    return DifferenceRow.model_validate(
        {
            "source": held.source,
            "symbol": held.symbol,
            "session": held.session,
            "field": held.field,
            "ours": _value(held.field, held.ours),
            "theirs": _value(held.field, held.theirs),
            "run_id": held.run_id,
            "seen_at": held.seen_at,
        }
    )


def _value(field: str, value: int | None) -> int | str | None:
    return value if value is None or field not in PRICE_FIELDS else f"{to_decimal(value):f}"
