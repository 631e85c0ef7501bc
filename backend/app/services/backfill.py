"""Backfill: an explicit range of daily bars, two requests a session, newest first; what is held is not asked again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

from app.errors import InvalidParameter
from app.market.calendar import FIRST_DAY
from app.market.gaps import FEWEST_EXPECTED, Cell, promised_at
from app.market.sayings import say
from app.market.security import BAR_VENUES, Venue
from app.services.catch_up import done_before, site_of
from app.services.context import Context
from app.services.report import Report
from app.services.sync_daily_bars import ensure_securities, session_work
from app.services.units import do_units, unit_of
from app.sources.base import Site
from app.store import units as ledger
from app.store.coverage import BARS, read_coverage
from app.store.engine import transaction
from app.store.pausing import paused_by

ATTEMPT = timedelta(minutes=40)
"""So long an attempt works at a time; then the run makes room and goes on, far below every time limit."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A range of sessions (both ends included) of one venue, or of both; ``again`` asks for what is held, too."""

    start: date
    end: date
    venue: Venue | None = None
    again: bool = False

    def __post_init__(self) -> None:
        if self.start < FIRST_DAY:
            raise InvalidParameter(f"start is {self.start}: the exchanges' whole-market days begin at {FIRST_DAY}.")
        if self.end < self.start:
            raise InvalidParameter(f"end {self.end} is before start {self.start}.")
        if self.venue is not None and self.venue not in BAR_VENUES:
            raise InvalidParameter(f"{self.venue} publishes no daily bars of its whole market.")

    @property
    def venues(self) -> Sequence[Venue]:
        """Those that are asked."""
        return BAR_VENUES if self.venue is None else (self.venue,)


@dataclass(frozen=True, slots=True)
class BackfillPlan:
    """What a backfill would ask for, newest first, how many cells (venue × session) are held, and what it costs.

    *held* counts what is asked for again, too.
    """

    cells: tuple[Cell, ...]
    held: int
    requests: dict[Site, int]
    seconds: float
    """At the pace of the last sessions that were fetched, and no faster than the quota allows the busiest site."""
    measured: bool = False
    """Whether there were such sessions; if not, *seconds* is what the quota takes, and the work comes on top."""

    def as_json(self) -> dict[str, Any]:
        """In short."""
        return {
            "units": len(self.cells),
            "held": self.held,
            "requests": {site.value: number for site, number in self.requests.items()},
            "minutes": round(self.seconds / 60, 1),
        }


def plan_backfill(
    context: Context, wanted: Wanted, *, seconds_per_request: float, done: Collection[Cell] = ()
) -> BackfillPlan:
    """What is not held of the range at this moment, but what a run has *done*; asks the store, never an exchange."""
    at = context.clock()
    sessions = context.calendar().sessions_between(wanted.start, min(wanted.end, context.today()))
    due = [day for day in reversed(sessions) if promised_at(day) <= at or day < context.today()]
    expected = [Cell(day, venue) for day in due for venue in wanted.venues]
    held = _held(context, wanted).intersection(expected)
    cells = tuple(cell for cell in expected if (wanted.again or cell not in held) and cell not in done)
    requests = dict(Counter(site_of(cell) for cell in cells))
    at_quota = max(requests.values(), default=0) * seconds_per_request
    with transaction(context.engine) as connection:
        pace = ledger.seconds_a_unit(connection, BARS)
    return BackfillPlan(cells, len(held), requests, max(at_quota, len(cells) * (pace or 0)), measured=pace is not None)


def backfill_bars(context: Context, wanted: Wanted) -> Report:
    """Fetch what is not held of the range, each session of a venue in a transaction of its own.

    Interrupted at any point it goes on with the next unit. Nothing to fetch: SKIPPED.
    """
    ensure_securities(context)
    plan = plan_backfill(context, wanted, seconds_per_request=0)
    # Of an attempt that goes on: what the run has done already belongs to its report.
    done = [cell for cell in done_before(context) if wanted.start <= cell.session <= wanted.end]
    cells = sorted({*plan.cells, *done}, key=lambda cell: (-cell.session.toordinal(), BAR_VENUES.index(cell.venue)))
    if not cells:
        return Report("SKIPPED", say("all_held", count=plan.held, start=wanted.start, end=wanted.end))
    patient = replace(context, give_back=for_a_while(context))
    report = do_units([unit_of(cell) for cell in cells], session_work(patient), patient)
    return replace(report, details={**report.details, "plan": plan.as_json()})


def for_a_while(context: Context) -> Any:
    """Why this attempt should make room: it is paused, what the context says, or it has worked for long enough."""
    until = context.clock() + ATTEMPT

    def why() -> str | None:
        if context.run_id is not None:
            with transaction(context.engine) as connection:
                by = paused_by(connection, context.run_id)
            if by is not None:
                return f"{by} paused it."
        if reason := context.give_back():
            return reason
        return "So long a run goes on in parts; the next one begins at once." if context.clock() >= until else None

    return why


def _held(context: Context, wanted: Wanted) -> set[Cell]:
    """The cells whose market is there, as good as whole: what the list alone expects may never come."""
    with transaction(context.engine) as connection:
        covered = read_coverage(connection, start=wanted.start, end=wanted.end, dataset=BARS)
    return {
        Cell(one.session, one.venue)
        for one in covered
        if one.expected and (one.expected - one.missing) >= FEWEST_EXPECTED * one.expected
    }
