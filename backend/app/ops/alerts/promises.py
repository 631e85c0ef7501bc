"""What is promised of each dataset, and by when; a new dataset is one line of PROMISES.

A promise looks at what is held, never at what ran: a run that stored nothing keeps no promise, and data that came by
any other way do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from app.market.calendar import SESSION_CLOSE, SESSION_OPEN, TAIPEI
from app.market.gaps import FIGURES_PROMISED_BY, PROMISED_BY
from app.market.sayings import say
from app.market.security import BAR_VENUES, Venue
from app.ops.alerts.facts import Facts
from app.sources import registry

FEWEST_HELD = 0.95
"""Share of the securities listed on a session that must be held: one stock's bar is not the market's day."""

SESSIONS_BACK = 5
"""So many sessions that are due are looked at; older gaps are the work of the gap report."""

_TIME_TO_KEEP = timedelta(hours=1)
"""An installation later than so long before a promise's time is not held to it: its schedule had passed already."""

_DAYS_BACK = 30
"""Calendar days that surely hold so many sessions, the lunar new year's closures included."""


@dataclass(frozen=True, slots=True)
class Due:
    """What should be held now: of *day*, or newer than *since*."""

    day: date
    since: datetime


@dataclass(frozen=True, slots=True)
class EachSession:
    """By that time (Taipei) of each session's own day."""

    by: time

    def __str__(self) -> str:
        return say("by_session", clock=f"{self.by:%H:%M}")

    def due(self, facts: Facts) -> list[Due]:
        """The last sessions whose time has come, the oldest first."""
        today = facts.at.astimezone(TAIPEI).date()
        sessions = facts.calendar().sessions_between(today - timedelta(days=_DAYS_BACK), today)
        dues = [Due(session, _at(session, time())) for session in sessions if _at(session, self.by) <= facts.at]
        return _promised(dues, self.by, facts)[-SESSIONS_BACK:]


@dataclass(frozen=True, slots=True)
class EachDay:
    """By that time (Taipei) of each calendar day."""

    by: time

    def __str__(self) -> str:
        return say("by_day", clock=f"{self.by:%H:%M}")

    def due(self, facts: Facts) -> list[Due]:
        """The last day whose time has come."""
        today = facts.at.astimezone(TAIPEI).date()
        day = today if _at(today, self.by) <= facts.at else today - timedelta(days=1)
        return _promised([Due(day, _at(day, time()))], self.by, facts)


@dataclass(frozen=True, slots=True)
class InSession:
    """While the market trades, never older than that."""

    within: timedelta

    def __str__(self) -> str:
        return say("while_trading", minutes=round(self.within.total_seconds() / 60))

    def due(self, facts: Facts) -> list[Due]:
        """Today, when the market has been open for so long."""
        today = facts.at.astimezone(TAIPEI).date()
        opened = datetime.combine(today, SESSION_OPEN, TAIPEI)
        if not facts.calendar().in_session(facts.at) or facts.at - opened < self.within:
            return []
        installed = facts.installed_at()
        if installed is not None and facts.at - installed < self.within:
            return []
        return [Due(today, facts.at - self.within)]


@dataclass(frozen=True, slots=True)
class Promise:
    """*lacking* says in a few words each what is not as it was promised; nothing: all is."""

    subject: str
    when: EachSession | EachDay | InSession
    lacking: Callable[[Facts, Sequence[Due]], list[str]]


def bars_of(venue: Venue) -> Callable[[Facts, Sequence[Due]], list[str]]:
    """Sessions of which too few bars of *venue* are held, unless the exchange itself said that it was closed."""

    def lacking(facts: Facts, dues: Sequence[Due]) -> list[str]:
        coverage = facts.coverage(venue, [due.day for due in dues])
        return [
            say("few_bars", day=day, held=one.held, listed=one.listed)
            for day, one in sorted(coverage.items())
            if not one.said_closed and (one.held == 0 or one.held < FEWEST_HELD * one.listed)
        ]

    return lacking


def figures_of(dataset: str, venue: Venue) -> Callable[[Facts, Sequence[Due]], list[str]]:
    """Sessions of which no row of *dataset* is held, unless the exchange itself said that it was closed."""

    def lacking(facts: Facts, dues: Sequence[Due]) -> list[str]:
        days = [due.day for due in dues]
        held = facts.figures_held(dataset, venue, days)
        open_days = [day for day, one in sorted(facts.coverage(venue, days).items()) if not one.said_closed]
        return [say("none_of_day", day=day) for day in open_days if day not in held]

    return lacking


def actions_of(venue: Venue) -> Callable[[Facts, Sequence[Due]], list[str]]:
    """Whether *venue* was asked for its corporate actions after the last session."""

    def lacking(facts: Facts, dues: Sequence[Due]) -> list[str]:
        asked, close = facts.actions_asked().get(venue), _at(dues[-1].day, SESSION_CLOSE)
        if asked is None:
            return [say("never_asked")]
        return [] if asked >= close else [say("last_asked", time=_clock(asked))]

    return lacking


def list_of(venue: Venue) -> Callable[[Facts, Sequence[Due]], list[str]]:
    """Whether the list of *venue* is older than it should be."""
    return lambda facts, dues: _older(facts.lists_committed().get(venue), dues[-1])


def _quotes(facts: Facts, dues: Sequence[Due]) -> list[str]:
    return _older(facts.quotes_saved(), dues[-1])


PROMISES: tuple[Promise, ...] = (
    *(Promise(f"daily bars of {venue}", EachSession(PROMISED_BY), bars_of(venue)) for venue in BAR_VENUES),
    *(Promise(f"corporate actions of {venue}", EachSession(time(20, 30)), actions_of(venue)) for venue in BAR_VENUES),
    *(
        Promise(f"{dataset} figures of {venue}", EachSession(FIGURES_PROMISED_BY), figures_of(dataset, venue))
        for dataset, venues in registry.figures().items()
        for venue in venues
    ),
    *(Promise(f"securities list of {venue}", EachDay(time(8, 30)), list_of(venue)) for venue in Venue),
    Promise("quotes", InSession(timedelta(minutes=20)), _quotes),
)


def _older(newest: datetime | None, due: Due) -> list[str]:
    if newest is None:
        return [say("none_held")]
    return [] if newest >= due.since else [say("newest_is", time=_clock(newest))]


def _clock(instant: datetime) -> str:
    return f"{instant.astimezone(TAIPEI):%Y-%m-%d %H:%M}"


def _promised(dues: list[Due], by: time, facts: Facts) -> list[Due]:
    """Without those whose time had come before there was anybody who could have kept them."""
    installed = facts.installed_at()
    return [due for due in dues if installed is None or _at(due.day, by) - installed > _TIME_TO_KEEP]


def _at(day: date, clock: time) -> datetime:
    return datetime.combine(day, clock, TAIPEI)
