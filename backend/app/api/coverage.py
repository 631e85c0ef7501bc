"""What is held, explained and missing, by session; and whether a day is complete."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date, datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field, computed_field

from app.api.replies import Reply, ThePlatform, failures
from app.api.said import SaidField, said
from app.errors import InvalidParameter
from app.market.security import Venue
from app.services import readiness
from app.store import coverage as store
from app.store.engine import transaction

router = APIRouter(prefix="/api/v1", tags=["coverage"])

LONGEST = 3_700
"""Days in one reply: ten years."""


class CoverageRow(BaseModel):
    """One session of a dataset and venue; expected = held + quarantined + explained + missing, in securities."""

    dataset: str = Field(examples=["daily_bars"])
    venue: Venue
    session: date
    expected: int = Field(description="listed on that day, or seen in its data")
    held: int = Field(description="with a price")
    newer_waiting: int = Field(description="of the held ones: those of which a newer version waits in quarantine")
    quarantined: int = Field(description="set aside because a rule was broken")
    explained: dict[str, int] = Field(description="needing no price, by reason", examples=[{"no_trade": 9}])
    missing: int
    share: float | None = Field(description="(held + explained) ÷ expected; null when nothing was expected")
    recorded_at: datetime


class CoverageReply(Reply):
    """The matrix session × venue; a session that was never asked for has no row."""

    coverage: list[CoverageRow] = Field(description="newest session first")


class UnheldRow(BaseModel):
    """A security without a price that day."""

    symbol: str
    name: str
    state: str = Field(description="missing, quarantined, no_trade, halted or venue_closed")


class CellReply(Reply):
    """Why a session of a venue is not whole."""

    venue: Venue
    session: date
    unheld: list[UnheldRow]


class ReadyReply(Reply):
    """Whether a day is complete."""

    dataset: str
    session: date
    ready: bool
    reason: str
    shares: dict[Venue, float | None] = Field(description="accounted for, by venue; null: nothing is held")
    ready_at: datetime | None
    missing: list[str] = Field(description="symbols without a row, of a day that is whole but for few")
    quarantined: list[str] = Field(description="symbols without a row because it waits in quarantine")

    @computed_field
    def said(self) -> SaidField:
        """What the reason says."""
        return said(self.reason)


@router.get("/coverage", summary="Coverage by session", responses=failures(422))
def get_coverage(
    platform: ThePlatform,
    *,
    start: date,
    end: date,
    dataset: Annotated[str | None, Query(description="only of this dataset", max_length=50)] = None,
    venue: Annotated[Venue | None, Query(description="only of this venue")] = None,
) -> CoverageReply:
    """Every session of the range that was asked for, accounted for."""
    if end < start:
        raise InvalidParameter(f"start {start} is later than end {end}.")
    if (end - start).days > LONGEST:
        raise InvalidParameter(f"At most {LONGEST} days at once.")
    with transaction(platform.engine) as connection:
        rows = store.read_coverage(connection, start=start, end=end, dataset=dataset, venue=venue)
    return CoverageReply(
        source=platform.settings.quantlab_source,
        coverage=[CoverageRow(**asdict(row), share=row.share) for row in rows],
    )


@router.get("/coverage/{venue}/{session}", summary="What a session lacks", responses=failures(422))
def get_cell(
    platform: ThePlatform,
    venue: Venue,
    session: date,
    *,
    state: Annotated[
        list[str] | None, Query(description="only such states; missing and quarantined when left out")
    ] = None,
) -> CellReply:
    """The securities without a price that day, and why."""
    asked = state or ["missing", "quarantined"]
    known = ("missing", "quarantined", *store.REASONS)
    if wrong := [one for one in asked if one not in known]:
        raise InvalidParameter(f"state is {wrong[0]!r}; there are {', '.join(known)}.")
    with transaction(platform.engine) as connection:
        rows = store.list_unheld(connection, venue, [session], states=asked, limit=5_000)
    cells = [UnheldRow(symbol=row.symbol, name=row.name, state=row.state) for row in rows]
    return CellReply(source=platform.settings.quantlab_source, venue=venue, session=session, unheld=cells)


@router.get("/ready", summary="Is that day complete?", responses=failures(404, 422))
def get_ready(
    platform: ThePlatform,
    date: date,
    *,
    dataset: Annotated[str, Query(max_length=50)] = store.BARS,
    strict: Annotated[bool, Query(description="nothing may be missing or wait in quarantine")] = False,
    symbols: Annotated[
        str | None, Query(description="only of these, by commas: 2330,0050", examples=["2330,0050"], max_length=10_000)
    ] = None,
) -> ReadyReply:
    """For strategies that start after the data. `quantlab wait-ready` waits for it.

    A day is ready when at least 98 % of each venue is held or explained; the reason names what is not.
    """
    only = [one.strip() for one in symbols.split(",") if one.strip()] if symbols else []
    found = readiness.look(platform.context(), date, dataset=dataset, strict=strict, symbols=only)
    return ReadyReply(source=platform.settings.quantlab_source, **asdict(found))
