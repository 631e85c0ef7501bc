"""Corporate actions: what the exchanges made of a price on an ex-date."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, BaseModel, Field

from app.api.instants import AsOf
from app.api.replies import Price, Reply, ThePlatform, failures
from app.api.securities import unknown_symbol
from app.errors import InvalidParameter
from app.market.bar import to_decimal
from app.market.corporate_action import ActionKind
from app.market.security import Venue
from app.services.sync_corporate_actions import DIVIDENDS
from app.store import securities, watched
from app.store.corporate_actions import HeldAction, list_actions
from app.store.engine import transaction

router = APIRouter(prefix="/api/v1/actions", tags=["corporate actions"])


class ActionRow(BaseModel):
    """One action of one security."""

    symbol: str = Field(examples=["0050"])
    ex_date: date = Field(description="the first session at the new price")
    kind: ActionKind
    previous_close: Price = Field(examples=["188.65"])
    reference_price: Price = Field(examples=["47.16"], description="what the venue made of the previous close")
    cash_reference: Price = Field(description="the previous close less the cash alone; null where it is not published")
    ratio: float = Field(description="reference price / previous close: the factor of prices before, by this action")
    split_ratio: float = Field(description="the same for the change of the number of shares alone")
    note: str | None
    dataset: str = Field(examples=["TWSE.etf_splits"], description="who publishes it")
    recorded_at: AwareDatetime = Field(description="since when we know it so")


class ActionsReply(Reply):
    """Actions, newest ex-date first and by symbol."""

    count: int
    more: bool = Field(description="whether there are more than these; ask again with an earlier `end`")
    asked: dict[Venue, AwareDatetime] = Field(
        description="when each venue last told which there are; of one that is not here nothing was ever fetched"
    )
    actions: list[ActionRow]


@router.get("", summary="Corporate actions", responses=failures(404, 422))
def get_actions(
    platform: ThePlatform,
    *,
    symbol: Annotated[str | None, Query(max_length=6, description="of this security; of all when left out")] = None,
    start: Annotated[date | None, Query(description="first ex-date, YYYY-MM-DD")] = None,
    end: Annotated[date | None, Query(description="last ex-date, YYYY-MM-DD")] = None,
    as_of: AsOf = None,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 1_000,
) -> ActionsReply:
    """Dividends, rights, reductions, par changes and splits, with the exchanges' reference prices."""
    if start and end and start > end:
        raise InvalidParameter(f"start {start} is later than end {end}.")
    with transaction(platform.engine) as connection:
        if symbol is not None and securities.find(connection, symbol) is None:
            raise unknown_symbol(symbol)
        found = list_actions(connection, symbol=symbol, start=start, end=end, as_of=as_of, limit=limit + 1)
        asked = watched.committed(connection, DIVIDENDS)
    return ActionsReply(
        source=platform.settings.quantlab_source,
        count=len(found[:limit]),
        more=len(found) > limit,
        asked=asked,
        actions=[_row(held) for held in found[:limit]],
    )


def _row(held: HeldAction) -> ActionRow:
    action = held.action
    return ActionRow(
        symbol=action.symbol,
        ex_date=action.ex_date,
        kind=action.kind,
        previous_close=str(to_decimal(action.previous_close)),
        reference_price=str(to_decimal(action.reference_price)),
        cash_reference=None if action.cash_reference is None else str(to_decimal(action.cash_reference)),
        ratio=float(action.ratio),
        split_ratio=float(action.split_ratio),
        note=action.note,
        dataset=held.source,
        recorded_at=held.recorded_at,
    )
