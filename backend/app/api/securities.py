"""The securities that the exchanges list."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from app.api.replies import Reply, ThePlatform, failures
from app.errors import UnknownSymbol
from app.market.security import SecurityKind, Venue
from app.store import securities as store
from app.store.engine import transaction
from app.store.securities import Order

router = APIRouter(prefix="/api/v1/securities", tags=["securities"])


class SecurityRow(BaseModel):
    """One security; rows are never deleted, so delisted ones stay."""

    symbol: str = Field(examples=["2330"])
    name: str = Field(examples=["台積電"])
    venue: Venue
    kind: SecurityKind
    industry: str | None = Field(examples=["半導體業"])
    isin: str | None = Field(examples=["TW0002330008"])
    listed_on: date | None
    delisted_on: date | None = Field(description="the day from which the list no longer had it; null: still listed")
    on_list: bool = Field(description="whether its venue's newest list has it")


class SecuritiesReply(Reply):
    """Securities, in the order that was asked for."""

    total: int = Field(description="how many the filters select, on all pages")
    securities: list[SecurityRow]
    next_after: str | None = Field(description="the `after` of the next page; null on the last one")


class SecurityReply(Reply):
    """One security."""

    security: SecurityRow


@router.get("", summary="List securities", responses=failures(404, 422))
def list_securities(
    platform: ThePlatform,
    *,
    venue: Annotated[Venue | None, Query(description="only of this venue")] = None,
    kind: Annotated[SecurityKind | None, Query(description="only of this kind")] = None,
    on_list: Annotated[bool | None, Query(description="true: listed now; false: gone; both when left out")] = None,
    search: Annotated[
        str | None, Query(max_length=50, description="beginning of a symbol, or part of a name", examples=["台積"])
    ] = None,
    order: Annotated[Order, Query(description="by which column; with a minus from the last to the first")] = "symbol",
    after: Annotated[
        str, Query(max_length=6, description="symbol of the last row of the page before, in the same order")
    ] = "",
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> SecuritiesReply:
    """Securities of TWSE, TPEx and the emerging board, without warrants."""
    with transaction(platform.engine) as connection:
        rows = store.list_securities(
            connection,
            venue=venue,
            kind=kind,
            on_list=on_list,
            search=search,
            order=order,
            after=after,
            limit=limit + 1,
        )
        total = store.count_securities(connection, venue=venue, kind=kind, on_list=on_list, search=search)
    page = rows[:limit]
    return SecuritiesReply(
        source=platform.settings.quantlab_source,
        total=total,
        securities=[as_row(one) for one in page],
        next_after=page[-1].symbol if len(rows) > limit else None,
    )


@router.get("/{symbol}", summary="One security", responses=failures(404))
def get_security(platform: ThePlatform, symbol: str) -> SecurityReply:
    """The security with that symbol."""
    with transaction(platform.engine) as connection:
        found = store.find(connection, symbol)
    if found is None:
        raise unknown_symbol(symbol)
    return SecurityReply(source=platform.settings.quantlab_source, security=as_row(found))


def unknown_symbol(symbol: str) -> UnknownSymbol:
    """The error for a symbol that no list holds."""
    return UnknownSymbol(f"No securities list holds {symbol!r}. If it is new: `quantlab sync securities`.")


def as_row(held: store.HeldSecurity) -> SecurityRow:
    """A held security as the API shows it."""
    return SecurityRow.model_validate(asdict(held))
