"""What is missing: the cells (venue × session) that should be held by now and are not. Pure; decides, asks nobody."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import takewhile

from app.market.calendar import TAIPEI, TradingCalendar
from app.market.security import BAR_VENUES, Venue

FEWEST_EXPECTED = 0.98
"""Below this share of the securities listed on a session something is missing, not just young."""

PROMISED_BY = time(21, 30)
"""Taipei, on the session itself: until then the evening's own task may still bring it."""

CLOSURE_TRUSTED_FROM = time(18, 0)
"""Taipei, on the day itself: "there is nothing" said earlier may also mean that it is not published yet."""

FIRST_WAIT = {"SUCCESS": timedelta(days=1), "PARTIAL": timedelta(days=1), "FAILED": timedelta(minutes=55)}
"""By how the last try ended: what the exchange lacks may come with a correction, what failed may be mended soon."""
LONGEST_WAIT = timedelta(days=16)


@dataclass(frozen=True, slots=True, order=True)
class Cell:
    """One venue's whole market in one session."""

    session: date
    venue: Venue


@dataclass(frozen=True, slots=True)
class Try:
    """How asking for a cell ended, when, and how many bars were held thanks to it."""

    state: str
    at: datetime
    bars: int = 0


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a cell.

    ``listed`` counts the securities listed on the session, ``bars`` what is held, ``set_aside`` the rows in
    quarantine; ``said_open`` is the exchange's own word (None: it was never asked); ``tries`` are newest first.
    """

    listed: int = 0
    bars: int = 0
    set_aside: int = 0
    said_open: bool | None = None
    said_at: datetime | None = None
    tries: Sequence[Try] = ()


@dataclass(frozen=True, slots=True)
class Gaps:
    """The cells that are not held, newest first: those to ask for now, and those tried lately, until when they wait."""

    missing: tuple[Cell, ...]
    waiting: Mapping[Cell, datetime]


def promised_at(session: date) -> datetime:
    """The instant from which *session* should be held."""
    return datetime.combine(session, PROMISED_BY, TAIPEI)


def expected_cells(calendar: TradingCalendar, *, first: date, at: datetime) -> list[Cell]:
    """Every cell from *first* on that should be held at the instant *at* (aware), newest first."""
    today = at.astimezone(TAIPEI).date()
    sessions = [day for day in calendar.sessions_between(first, today) if at >= promised_at(day)]
    return [Cell(day, venue) for day in reversed(sessions) for venue in BAR_VENUES]


def find_gaps(expected: Iterable[Cell], known: Mapping[Cell, Known], *, at: datetime) -> Gaps:
    """Which of *expected* are not held at the instant *at*; a cell that is not in *known* was never heard of."""
    missing: list[Cell] = []
    waiting: dict[Cell, datetime] = {}
    for cell in expected:
        facts = known.get(cell, Known())
        elsewhere = any(_traded(known.get(Cell(cell.session, venue), Known())) for venue in _others(cell.venue))
        if is_whole(facts) or (not elsewhere and _is_closed(cell, facts)):
            continue
        until = _waits_until(facts)
        if until is None or until <= at:
            missing.append(cell)
        else:
            waiting[cell] = until
    return Gaps(tuple(missing), waiting)


def is_whole(facts: Known) -> bool:
    """Whether what is held is the whole market, and not a fragment such as one stock's bar."""
    return facts.bars > 0 and facts.bars + facts.set_aside >= FEWEST_EXPECTED * facts.listed


def _others(venue: Venue) -> list[Venue]:
    return [other for other in BAR_VENUES if other is not venue]


def _traded(facts: Known) -> bool:
    return facts.said_open is True or facts.bars > 0


def _is_closed(cell: Cell, facts: Known) -> bool:
    """Whether the exchange said that there was no session, late enough to be believed; bars say that there was."""
    if facts.said_open is not False or facts.bars:
        return False
    said = [facts.said_at] if facts.said_at else []
    said += [one.at for one in facts.tries if one.state == "SUCCESS" and one.bars == 0]
    return bool(said) and max(said) >= datetime.combine(cell.session, CLOSURE_TRUSTED_FROM, TAIPEI)


def _waits_until(facts: Known) -> datetime | None:
    """Until when a cell is left alone, because asking lately changed nothing; None: ask now.

    The wait doubles with each try in a row that ended alike. A try whose bars are no longer held says nothing: what
    was lost since must come again.
    """
    tries = [one for one in facts.tries if one.state in FIRST_WAIT]
    if not tries or facts.bars < FEWEST_EXPECTED * tries[0].bars:
        return None
    last = tries[0]
    alike = sum(1 for _ in takewhile(lambda one: (one.state, one.bars) == (last.state, last.bars), tries))
    wait: timedelta = FIRST_WAIT[last.state] * 2 ** (alike - 1)
    return last.at + min(wait, LONGEST_WAIT)
