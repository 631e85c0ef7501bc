"""Sessions: what the operator or an exchange said of a day, beyond what the calendar knows."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Connection, delete, select, text
from sqlalchemy.dialects.postgresql import insert

from app.market.calendar import CLOSURE_TRUSTED_FROM, TAIPEI, TradingCalendar, closure_trusted_at
from app.market.security import BAR_VENUES, Venue
from app.store.tables import sessions


def traded_sql(day: str) -> str:
    """Whether the market is known to have traded on *day* (SQL): the venues share one calendar, so one tells of all."""
    return (
        f"(EXISTS (SELECT FROM sessions word WHERE word.session = {day} AND word.is_open) "
        f"OR EXISTS (SELECT FROM bars b WHERE b.session = {day}))"
    )


def closed_sql(day: str, venue: str) -> str:
    """Whether *venue* was closed on *day* (both SQL), the one answer for everybody who asks.

    An operator said so, or the venue's own reply, late enough to be no delay; and no venue traded.
    """
    trusted = f"(word.session + time '{CLOSURE_TRUSTED_FROM}') AT TIME ZONE '{TAIPEI.key}'"
    return (
        f"(EXISTS (SELECT FROM sessions word WHERE word.session = {day} AND word.venue = {venue} "
        f"AND NOT word.is_open AND (word.source = 'override' OR word.recorded_at >= {trusted})) "
        f"AND NOT {traded_sql(day)})"
    )


_STANDING = text(f"""
    SELECT day.session, own.venue, CASE WHEN {traded_sql("day.session")} THEN true
        WHEN {closed_sql("day.session", "own.venue")} THEN false END AS is_open
    FROM (SELECT CAST(each AS date) AS session FROM generate_series(
        CAST(:start AS timestamp), CAST(:end AS timestamp), interval '1 day') AS each) AS day
    CROSS JOIN unnest(CAST(:venues AS text[])) AS own(venue)
""")


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


def hold_word(connection: Connection, day: date) -> None:
    """Let nobody else say anything of *day* until this transaction ends: a word need not have a row to be locked."""
    connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:day, 6))"), {"day": day.isoformat()})


def override_of(connection: Connection, day: date) -> dict[str, str | None] | None:
    """What an operator said of *day*, as the audit has it; None: nothing."""
    said = select(sessions).where(sessions.c.session == day, sessions.c.source == "override").limit(1)
    row = connection.execute(said).one_or_none()
    if row is None:
        return None
    return {"state": "open" if row.is_open else "closed", "reason": row.reason, "by": row.recorded_by}


def observe(connection: Connection, venue: Venue, day: date, *, is_open: bool, at: datetime) -> list[Venue]:
    """What the exchange's own reply says of *day*. An operator's word stays; the same again writes nothing.

    "Closed" again does where it was first said too early to be believed. "Open" takes "closed" of another venue back,
    and these are returned.
    """
    given = {"venue": venue.value, "day": day, "is_open": is_open, "at": at, "trusted": closure_trusted_at(day)}
    connection.execute(_OBSERVE, given)
    if not is_open:
        return []
    return sorted(Venue(one) for one in connection.scalars(_TAKE_BACK, {"day": day}))


_OBSERVE = text("""
INSERT INTO sessions AS held (venue, session, is_open, source, recorded_at)
VALUES (:venue, :day, :is_open, 'exchange', :at)
ON CONFLICT (venue, session) DO UPDATE
SET is_open = excluded.is_open, source = excluded.source, recorded_at = excluded.recorded_at
WHERE held.source = 'exchange'
    AND (held.is_open <> excluded.is_open OR NOT held.is_open AND held.recorded_at < :trusted)
""")
_TAKE_BACK = text("DELETE FROM sessions WHERE session = :day AND NOT is_open AND source = 'exchange' RETURNING venue")


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


def standing(connection: Connection, *, start: date, end: date) -> dict[tuple[date, Venue], bool | None]:
    """Of each day from *start* to *end* and venue: True where the market traded, False where it was closed, else None.

    By what was said and held: the calendar is not asked.
    """
    asked = {"start": start, "end": end, "venues": [venue.value for venue in BAR_VENUES]}
    return {(row.session, Venue(row.venue)): row.is_open for row in connection.execute(_STANDING, asked)}


def traded(connection: Connection, day: date) -> bool:
    """Whether the market is known to have traded on *day*."""
    return bool(connection.scalar(text(f"SELECT {traded_sql(':day')}"), {"day": day}))


def list_sessions(connection: Connection, *, start: date, end: date) -> list[HeldSession]:
    """What was said of the days from *start* to *end*, both included, in order."""
    rows = connection.execute(
        select(sessions).where(sessions.c.session.between(start, end)).order_by(sessions.c.session, sessions.c.venue)
    )
    return [HeldSession(**{**row._mapping, "venue": Venue(row.venue)}) for row in rows]  # noqa: SLF001
