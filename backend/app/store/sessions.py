"""Sessions: what the operator or an exchange said of a day, beyond what the calendar knows."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Connection, delete, select, text
from sqlalchemy.dialects.postgresql import insert

from app.market.calendar import TradingCalendar
from app.market.security import BAR_VENUES, Venue
from app.store.tables import sessions


@dataclass(frozen=True, slots=True)
class HeldSession:
    """A day of a venue; *source* is ``override`` (an operator's word) or ``exchange`` (its reply)."""

    venue: Venue
    session: date
    is_open: bool
    reason: str | None
    source: str
    recorded_by: str | None
    recorded_at: datetime


def override(
    connection: Connection,
    day: date,
    *,
    is_open: bool,
    reason: str,
    by: str,
    at: datetime,
    venues: Collection[Venue] = BAR_VENUES,
) -> None:
    """An operator's word that *venues* open or close on *day*; it replaces anything said before."""
    for venue in venues:
        values = {"is_open": is_open, "reason": reason, "source": "override", "recorded_by": by, "recorded_at": at}
        connection.execute(
            insert(sessions)
            .values(venue=venue, session=day, **values)
            .on_conflict_do_update(index_elements=["venue", "session"], set_=values)
        )


def forget_override(connection: Connection, day: date) -> int:
    """Take an operator's word back; returns for how many venues there was one."""
    gone = connection.scalars(
        delete(sessions).where(sessions.c.session == day, sessions.c.source == "override").returning(sessions.c.venue)
    )
    return len(gone.all())


def override_of(connection: Connection, day: date) -> dict[str, str | None] | None:
    """What an operator said of *day*, as the audit has it; None: nothing."""
    said = select(sessions).where(sessions.c.session == day, sessions.c.source == "override").limit(1)
    row = connection.execute(said).one_or_none()
    if row is None:
        return None
    return {"state": "open" if row.is_open else "closed", "reason": row.reason, "by": row.recorded_by}


def observe(connection: Connection, venue: Venue, day: date, *, is_open: bool, at: datetime) -> None:
    """What the exchange's own reply says of *day*. An operator's word stays; the same again writes nothing."""
    values = {"is_open": is_open, "source": "exchange", "recorded_at": at}
    statement = insert(sessions).values(venue=venue, session=day, **values)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["venue", "session"],
            set_=values,
            where=(sessions.c.source == "exchange") & (sessions.c.is_open != is_open),
        )
    )


def overrides(connection: Connection) -> dict[date, bool]:
    """Day → open?, for a trading calendar: only what operators said.

    What exchanges replied is not among it: a day that one of them once said nothing about must be asked again.
    """
    rows = connection.execute(
        text("SELECT session, bool_or(is_open) FROM sessions WHERE source = 'override' GROUP BY session")
    )
    return {day: is_open for day, is_open in rows}  # noqa: C416 - rows are not pairs to mypy


def trading_calendar(connection: Connection) -> TradingCalendar:
    """The trading calendar with what operators said."""
    return TradingCalendar(overrides(connection))


def list_sessions(connection: Connection, *, start: date, end: date) -> list[HeldSession]:
    """What was said of the days from *start* to *end*, both included, in order."""
    rows = connection.execute(
        select(sessions).where(sessions.c.session.between(start, end)).order_by(sessions.c.session, sessions.c.venue)
    )
    return [HeldSession(**{**row._mapping, "venue": Venue(row.venue)}) for row in rows]  # noqa: SLF001
