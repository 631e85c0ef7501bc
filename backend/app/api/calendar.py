"""The trading calendar: which days are sessions, and an operator's word against it (typhoons, special sessions)."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from app.api.access import TheChanger
from app.api.replies import Reply, ThePlatform, TheSettings, failures
from app.core.wiring import Platform, now
from app.errors import InvalidParameter
from app.market.calendar import FIRST_DAY, LAST_DAY
from app.services import trading_days
from app.store import sessions
from app.store.engine import transaction

router = APIRouter(prefix="/api/v1/calendar", tags=["calendar"])

LONGEST = 366 * 2


class DayRow(BaseModel):
    """A day. Override fields are null where no operator said anything of it."""

    day: date
    is_session: bool = Field(description="whether the market trades, with the operators' words")
    reason: str | None = Field(description="why it was overridden", examples=["颱風"])
    overridden_by: str | None
    overridden_at: datetime | None


class DaysReply(Reply):
    """Days in order, each once."""

    days: list[DayRow]


class DayReply(Reply):
    """One day."""

    day: DayRow


class DayChange(BaseModel):
    """What the market does on that day."""

    model_config = ConfigDict(extra="forbid")

    state: Literal["open", "closed"]
    reason: str = Field(min_length=1, max_length=trading_days.LONGEST_REASON, examples=["颱風"])
    by: str | None = Field(
        None, min_length=1, max_length=100, description="who says so; counts with the admin token only"
    )


@router.get("", summary="List days", responses=failures(422))
def list_days(
    settings: TheSettings,
    platform: ThePlatform,
    start: Annotated[date, Query(description="the first day")],
    end: Annotated[date, Query(description="the last day, included")],
) -> DaysReply:
    """Each day from start to end: whether it is a session, and who said so against the calendar."""
    if not FIRST_DAY <= start <= end <= LAST_DAY or (end - start).days >= LONGEST:
        raise InvalidParameter(
            f"start and end must be in order, between {FIRST_DAY} and {LAST_DAY}, at most {LONGEST} days."
        )
    return DaysReply(source=settings.quantlab_source, days=_days(platform, start, end))


@router.put("/{day}", summary="Override a day", responses=failures(401, 403, 422))
def override_day(
    settings: TheSettings, platform: ThePlatform, day: date, change: DayChange, changer: TheChanger
) -> DayReply:
    """The market is open or closed that day, whatever the calendar knows; schedules hear of it within seconds."""
    _in_calendar(day)
    is_open, by = change.state == "open", changer.by(change.by)
    with changer.change("calendar.override", day.isoformat()) as row:
        row.before, row.after = trading_days.override_day(
            platform.engine, day, is_open=is_open, reason=change.reason, by=by, at=now()
        )
    return DayReply(source=settings.quantlab_source, day=_days(platform, day, day)[0])


@router.delete("/{day}", summary="Forget an override", responses=failures(401, 403, 422))
def forget_day(settings: TheSettings, platform: ThePlatform, day: date, changer: TheChanger) -> DayReply:
    """The calendar decides again. 422 where nothing was said of that day."""
    _in_calendar(day)
    with changer.change("calendar.forget", day.isoformat()) as row:
        row.before = trading_days.forget_day(platform.engine, day)
    return DayReply(source=settings.quantlab_source, day=_days(platform, day, day)[0])


def _in_calendar(day: date) -> None:
    if not FIRST_DAY <= day <= LAST_DAY:
        raise InvalidParameter(f"The calendar goes from {FIRST_DAY} to {LAST_DAY}.")


def _days(platform: Platform, start: date, end: date) -> list[DayRow]:
    with transaction(platform.engine) as connection:
        calendar = sessions.trading_calendar(connection)
        held = sessions.list_sessions(connection, start=start, end=end)
    said = {one.session: one for one in held if one.source == "override"}
    rows = []
    for offset in range((end - start).days + 1):
        day = start + timedelta(days=offset)
        word = said.get(day)
        rows.append(
            DayRow(
                day=day,
                is_session=calendar.is_session(day),
                reason=word and word.reason,
                overridden_by=word and word.recorded_by,
                overridden_at=word and word.recorded_at,
            )
        )
    return rows
