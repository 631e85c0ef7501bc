"""What is missing: the cells (venue × session) that should be held by now and are not. Pure; decides, asks nobody."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import takewhile

from app.market.calendar import TAIPEI, TradingCalendar
from app.market.security import BAR_VENUES, Venue

FEWEST_EXPECTED = 0.98
"""Below this share of the securities listed on a session something is missing, not just young."""

BARS = "daily_bars"
PROMISED_BY, FIGURES_PROMISED_BY = time(21, 30), time(22, 0)
"""Taipei, on the session itself: until then the evening's own tasks may still bring bars, and figures."""

SOON = timedelta(minutes=55)
FIRST_WAIT = {"SUCCESS": timedelta(days=1), "PARTIAL": timedelta(days=1), "FAILED": SOON, "SKIPPED": SOON}
"""By how the last try ended: what the exchange lacks may come with a correction, what failed may be mended soon."""
LONGEST_WAIT = timedelta(days=16)
_ONLY_BARS: Mapping[str, Collection[Venue]] = {BARS: BAR_VENUES}


@dataclass(frozen=True, slots=True, order=True)
class Cell:
    """One venue's whole market in one session: its daily bars, or a dataset of figures."""

    session: date
    venue: Venue
    dataset: str = BARS


@dataclass(frozen=True, slots=True)
class Try:
    """How asking for a cell ended, when, and how many rows were held thanks to it.

    SKIPPED is one that was answered with nothing, of a day of which nobody knew whether the market was open.
    """

    state: str
    at: datetime
    bars: int = 0


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a cell.

    ``listed`` counts what is expected (for bars the securities listed on the session), ``bars`` the rows held,
    ``set_aside`` those in quarantine; ``is_open``: True where the market traded in the session, False where its
    venue was closed, None where nobody knows (``store.sessions`` decides); ``tries`` are newest first.
    """

    listed: int = 0
    bars: int = 0
    set_aside: int = 0
    is_open: bool | None = None
    tries: Sequence[Try] = ()


@dataclass(frozen=True, slots=True)
class Gaps:
    """The cells that are not held, newest first: those to ask for now, and those tried lately, until when they wait."""

    missing: tuple[Cell, ...]
    waiting: Mapping[Cell, datetime]


def promised_at(session: date, dataset: str = BARS) -> datetime:
    """The instant from which *session* should be held."""
    return datetime.combine(session, PROMISED_BY if dataset == BARS else FIGURES_PROMISED_BY, TAIPEI)


def expected_cells(
    calendar: TradingCalendar, *, first: date, at: datetime, datasets: Mapping[str, Collection[Venue]] = _ONLY_BARS
) -> list[Cell]:
    """Every cell of *datasets* (name → venues) from *first* on that should be held at *at* (aware), newest first."""
    today = at.astimezone(TAIPEI).date()
    return [
        Cell(day, venue, dataset)
        for day in reversed(calendar.sessions_between(first, today))
        for dataset, venues in datasets.items()
        if at >= promised_at(day, dataset)
        for venue in venues
    ]


def find_gaps(expected: Iterable[Cell], known: Mapping[Cell, Known], *, at: datetime) -> Gaps:
    """Which of *expected* are not held at the instant *at*; a cell that is not in *known* was never heard of."""
    missing: list[Cell] = []
    waiting: dict[Cell, datetime] = {}
    for cell in expected:
        facts = known.get(cell, Known())
        if is_whole(facts) or facts.is_open is False:
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


def _waits_until(facts: Known) -> datetime | None:
    """Until when a cell is left alone, because asking lately changed nothing; None: ask now.

    Of a session in which the market traded, an answer with nothing is late, and may come soon. The wait doubles with
    each try in a row that ended alike. A try whose bars are no longer held says nothing: what
    was lost since must come again.
    """
    tries = [one for one in facts.tries if one.state in FIRST_WAIT]
    if not tries or facts.bars < FEWEST_EXPECTED * tries[0].bars:
        return None
    last = tries[0]
    alike = sum(1 for _ in takewhile(lambda one: (one.state, one.bars) == (last.state, last.bars), tries))
    first = SOON if facts.is_open and not last.bars else FIRST_WAIT[last.state]
    wait: timedelta = first * 2 ** (alike - 1)
    return last.at + min(wait, LONGEST_WAIT)
