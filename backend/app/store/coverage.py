"""Coverage: every cell (security × session) of a dataset accounted for, and the cells that are not held.

The universe is that of the day: what its venue's list says was listed on it, and whatever else has a row of it (a
security that left before its list was first read is known by its bars alone).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, Subquery, func, select

from app.market.bar import BAR_DATASETS
from app.market.gaps import FEWEST_EXPECTED
from app.market.security import BAR_VENUES, Venue
from app.store import figures
from app.store.bars import lock_writers
from app.store.coverage_sql import ACCOUNT, CLOSED_NO_MORE, RECOUNT, ROWS_BESIDE, UNHELD
from app.store.tables import bars, coverage, quarantine, securities

BARS = "daily_bars"
REASONS = ("no_trade", "halted", "venue_closed")
"""Why the day needs no price of a security."""

_NEAR = timedelta(days=14)
"""The longest closure, of the New Year, is shorter."""
_AT_ONCE = 250
"""Sessions counted by one statement, which must not take long."""


@dataclass(frozen=True, slots=True)
class Covered:
    """A session of a dataset and venue: ``expected = held + quarantined + explained + missing``, in securities."""

    dataset: str
    venue: Venue
    session: date
    expected: int
    held: int
    quarantined: int
    explained: Mapping[str, int]
    """By reason; see ``REASONS``."""
    missing: int
    recorded_at: datetime
    newer_waiting: int = 0
    """Of the held bars, those of which a newer version waits in quarantine; looked up, not counted in a sum."""

    @property
    def share(self) -> float | None:
        """What is held or explained, of what was expected; None when nothing was."""
        return 1 - (self.missing + self.quarantined) / self.expected if self.expected else None


@dataclass(frozen=True, slots=True)
class Unheld:
    """A cell without a price: ``state`` is ``missing``, ``quarantined`` or one of ``REASONS``."""

    session: date
    symbol: str
    name: str
    state: str


def account(connection: Connection, venue: Venue, sessions: Sequence[date], *, at: datetime) -> None:
    """Count the daily bars of *sessions* anew, in the caller's transaction: the one that wrote them.

    What they tell of the other venue counts there, too: one that was thought to be closed was not, if this one traded.
    Who counts waits for who writes: a count that began beside a write would put the older numbers over its own.
    """
    if not sessions:
        return
    lock_writers(connection)
    own = {"venue": venue.value, "sessions": sorted(set(sessions)), "at": at}
    connection.execute(ACCOUNT, own)
    for wrong in connection.execute(CLOSED_NO_MORE, own).all():
        connection.execute(ACCOUNT, {"venue": wrong.venue, "sessions": wrong.sessions, "at": at})


def account_again(
    connection: Connection, venue: Venue, *, since: date, at: datetime, moved: Collection[str] = ()
) -> int:
    """Count anew what was counted of *since* and later, after the list or the halts changed; in sessions.

    And of the older sessions of which *moved* have bars: these count for the venue that lists them now, alone.
    """
    theirs = (
        select(bars.c.session)
        .join(securities, securities.c.id == bars.c.security_id)
        .where(securities.c.symbol.in_(moved), bars.c.session < since)
    )
    query = select(coverage.c.session).where(
        coverage.c.dataset == BARS,
        coverage.c.venue == venue,
        (coverage.c.session >= since) | coverage.c.session.in_(theirs) if moved else coverage.c.session >= since,
    )
    days = list(connection.scalars(query.order_by(coverage.c.session)))
    for first in range(0, len(days), _AT_ONCE):
        account(connection, venue, days[first : first + _AT_ONCE], at=at)
    return len(days)


def account_uncounted(connection: Connection, *, at: datetime) -> int:
    """Count the sessions of which bars are held and nobody counted any: those of a database older than coverage."""
    counted = (coverage.c.dataset == BARS) & (coverage.c.venue == securities.c.venue)
    theirs = select(coverage.c.session).where(counted, coverage.c.session == bars.c.session)
    query = (
        select(securities.c.venue, bars.c.session)
        .join(securities, securities.c.id == bars.c.security_id)
        .where(securities.c.venue.in_([venue.value for venue in BAR_VENUES]), ~theirs.exists())
        .distinct()
    )
    by_venue: dict[Venue, list[date]] = {}
    for row in connection.execute(query):
        by_venue.setdefault(Venue(row.venue), []).append(row.session)
    for venue, days in by_venue.items():
        days.sort()
        for first in range(0, len(days), _AT_ONCE):
            account(connection, venue, days[first : first + _AT_ONCE], at=at)
    return sum(map(len, by_venue.values()))


def account_set_aside(connection: Connection, dataset: str, venue: Venue, session: date, *, at: datetime) -> None:
    """Count anew what waits in quarantine of a session, after somebody decided on a row of it."""
    if dataset == BARS:
        account(connection, venue, [session], at=at)
    else:
        figures.lock_writers(connection)
        asked = {"dataset": dataset, "venue": venue.value, "session": session, "at": at}
        connection.execute(RECOUNT, asked)


def rows_beside(connection: Connection, venue: Venue, session: date) -> int | None:
    """How many rows the session before had, if it is as good as whole; else the one after it. None: neither is.

    A fragment, such as the bars of a few securities, says nothing of how many rows a reply should have.
    """
    near = {"first": session - _NEAR, "last": session + _NEAR}
    asked = {"venue": venue.value, "session": session, "whole": FEWEST_EXPECTED, **near}
    found: int | None = connection.scalar(ROWS_BESIDE, asked)
    return found


def read_coverage(
    connection: Connection, *, start: date, end: date, dataset: str | None = None, venue: Venue | None = None
) -> list[Covered]:
    """What was counted from *start* to *end* (both included), newest session first."""
    newer = _newer_waiting(start, end)
    same = (newer.c.venue == coverage.c.venue) & (newer.c.session == coverage.c.session) & (coverage.c.dataset == BARS)
    query = (
        select(coverage, func.coalesce(newer.c.number, 0).label("newer_waiting"))
        .outerjoin(newer, same)
        .where(coverage.c.session.between(start, end))
    )
    if dataset is not None:
        query = query.where(coverage.c.dataset == dataset)
    if venue is not None:
        query = query.where(coverage.c.venue == venue)
    order = (coverage.c.session.desc(), coverage.c.dataset, coverage.c.venue.desc())
    return [_covered(row) for row in connection.execute(query.order_by(*order))]


def _newer_waiting(start: date, end: date) -> Subquery:
    """How many held bars of each venue and session have a newer version in quarantine."""
    return (
        select(quarantine.c.venue, quarantine.c.session, func.count(quarantine.c.symbol.distinct()).label("number"))
        .join(securities, securities.c.symbol == quarantine.c.symbol)
        .join(bars, (bars.c.security_id == securities.c.id) & (bars.c.session == quarantine.c.session))
        .where(
            quarantine.c.dataset.in_(BAR_DATASETS),
            quarantine.c.session.between(start, end),
            quarantine.c.released_at.is_(None),
            quarantine.c.severity == "blocking",
            bars.c.close.is_not(None),
        )
        .group_by(quarantine.c.venue, quarantine.c.session)
        .subquery()
    )


def list_unheld(
    connection: Connection,
    venue: Venue,
    sessions: Sequence[date],
    *,
    states: Sequence[str] = ("missing", "quarantined"),
    limit: int = 1_000,
) -> list[Unheld]:
    """The cells of *sessions* that stand so, newest session first and by symbol; looked up, not read from a count."""
    asked = {"venue": venue.value, "sessions": list(sessions), "states": list(states), "most": limit}
    return [Unheld(*row) for row in connection.execute(UNHELD, asked)]


def _covered(row: Row[Any]) -> Covered:
    return Covered(**{**row._mapping, "venue": Venue(row.venue)})  # noqa: SLF001 - the row as a mapping
