"""Fetch what should be held and is not: expected sessions − held sessions = one plan, shown with its cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any

from app.errors import AlreadyRunning
from app.market.calendar import FIRST_DAY
from app.market.gaps import BARS, Cell, Gaps, Known, expected_cells, find_gaps
from app.market.sayings import say
from app.market.security import BAR_VENUES, Venue
from app.services.context import Context
from app.services.report import Report
from app.services.sync_daily_bars import count_listed, ensure_securities, session_work
from app.services.sync_figures import figures_work
from app.services.units import Stored, Unit, UnitWork, do_units, unit_of
from app.sources import registry
from app.sources.base import ListQuery, SessionQuery, Site
from app.store import runs, sessions
from app.store import units as ledger
from app.store.cells import read_cells
from app.store.engine import Connection, transaction
from app.store.securities import Listed, list_for_bars


@dataclass(frozen=True, slots=True)
class Limits:
    """How far back to look (calendar days), how many requests a site gets in one run, and the quota's pace.

    *datasets*: what is looked at of each session, the most urgent first.
    """

    days: int
    requests: int
    seconds_per_request: float
    datasets: tuple[str, ...] = (BARS,)


@dataclass(frozen=True, slots=True)
class Step:
    """What a plan asks of one venue and dataset: its missing sessions, newest first, and the cost.

    The securities lists, which a new database lacks, are a step without a venue and sessions.
    """

    dataset: str
    venue: Venue | None
    sessions: tuple[date, ...]
    requests: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Plan:
    """What one run of catching up asks for, newest first, and what that costs at least."""

    first: date
    cells: tuple[Cell, ...]
    steps: tuple[Step, ...] = ()
    later: tuple[Cell, ...] = ()
    """Above the limit of a site: for the next run."""
    waiting: Mapping[Cell, datetime] = field(default_factory=dict)
    """Tried lately without a change; asked for again from then on."""
    requests: Mapping[Site, int] = field(default_factory=dict)
    seconds: float = 0.0
    """At the pace of the last sessions that were fetched, and no faster than the quota allows the busiest site."""
    measured: bool = False
    """Whether there were such sessions of each dataset; if not, *seconds* is the least that it takes."""

    def as_json(self) -> dict[str, Any]:
        """In short, for a run's details."""
        return {
            "first": str(self.first),
            "cells": len(self.cells),
            "left_for_later": len(self.later),
            "tried_lately": len(self.waiting),
            "requests": {site.value: number for site, number in self.requests.items()},
            "seconds": self.seconds,
        }


def plan_catch_up(context: Context, limits: Limits) -> Plan:
    """What is missing at this moment; asks the store, never an exchange."""
    first = max(context.today() - timedelta(days=limits.days - 1), FIRST_DAY)
    with transaction(context.engine) as connection:
        listed = list_for_bars(connection, BAR_VENUES)
        gaps = _look(connection, context, first, listed, limits.datasets)
        paces = {
            name: pace for name in limits.datasets if (pace := ledger.seconds_a_unit(connection, name)) is not None
        }
    return _within_limits(first, gaps, limits, lists=0 if _has_lists(listed) else len(Venue), paces=paces)


def catch_up(context: Context, limits: Limits) -> Report:
    """Do the plan of this moment: every missing session once, newest first, each in a transaction of its own.

    An attempt that goes on with an interrupted one asks only for what is still missing. Nothing missing: SKIPPED.

    Raises:
        AlreadyRunning: an older run of catching up has not ended, and does the same.
    """
    _leave_to_older(context)
    plan = plan_catch_up(context, limits)
    done = done_before(context, limits.datasets)
    if not plan.cells and not done:
        code = "none_missing_but" if plan.waiting else "none_missing"
        return Report("SKIPPED", say(code, day=plan.first, count=len(plan.waiting)), details={"plan": plan.as_json()})
    if plan.cells:
        ensure_securities(context)
    cells = sorted({*done, *_room(plan.cells, done, limits)}, key=_newest_first(limits.datasets))
    report = do_units([unit_of(cell) for cell in cells], _unless_held(context, plan.first), context)
    left = len({*plan.cells, *plan.later} - {*cells})
    reason = report.reason or (say("left", count=left) if left else None)
    return replace(report, reason=reason, details={**report.details, "plan": plan.as_json(), "left": left})


def site_of(cell: Cell) -> Site:
    """Who is asked for *cell*."""
    site: Site = registry.dataset(cell.venue, cell.dataset).request(SessionQuery(cell.session)).site
    return site


def _look(
    connection: Connection,
    context: Context,
    first: date,
    listed: Mapping[Venue, Sequence[Listed]],
    datasets: Collection[str],
) -> Gaps:
    """What is missing of the sessions from *first* on. This run's own tries do not count: its retries go on."""
    at = context.clock()
    figures = registry.figures()
    venues: dict[str, Collection[Venue]] = {
        name: BAR_VENUES if name == BARS else tuple(figures[name]) for name in datasets
    }
    expected = expected_cells(sessions.trading_calendar(connection), first=first, at=at, datasets=venues)
    known: dict[Cell, Known] = {}
    for dataset in venues:
        held = read_cells(connection, dataset=dataset, start=first, end=context.today(), but_run=context.run_id)
        for cell in expected:
            if cell.dataset == dataset:
                known[cell] = Known(
                    listed=count_listed(listed[cell.venue], cell.session)
                    if dataset == BARS
                    else held.expected.get(cell, 0),
                    bars=held.rows.get(cell, 0),
                    set_aside=held.set_aside.get(cell, 0),
                    is_open=held.standing.get((cell.session, cell.venue)),
                    tries=held.tries.get(cell, ()),
                )
    return find_gaps(expected, known, at=at)


def _within_limits(first: date, gaps: Gaps, limits: Limits, *, lists: int, paces: Mapping[str, float]) -> Plan:
    """*paces*: seconds from one unit to the next, of the datasets of which it is known."""
    cells = _room(gaps.missing, (), limits)
    requests = Counter(site_of(cell) for cell in cells)
    steps = []
    if cells and lists:
        requests[registry.securities().request(ListQuery(Venue.TWSE)).site] += lists
        steps.append(Step("securities", None, (), lists, lists * limits.seconds_per_request))
    for dataset in limits.datasets:
        for venue in BAR_VENUES:
            days = tuple(cell.session for cell in cells if (cell.dataset, cell.venue) == (dataset, venue))
            if days:
                pace = max(limits.seconds_per_request, paces.get(dataset, 0))
                steps.append(Step(dataset, venue, days, len(days), len(days) * pace))
    at_quota = max(requests.values(), default=0) * limits.seconds_per_request
    return Plan(
        first=first,
        cells=tuple(cells),
        steps=tuple(steps),
        later=tuple(cell for cell in gaps.missing if cell not in set(cells)),
        waiting=gaps.waiting,
        requests=dict(requests),
        seconds=max(at_quota, sum(paces.get(cell.dataset, 0) for cell in cells)),
        measured=all(cell.dataset in paces for cell in cells),
    )


def _room(cells: Iterable[Cell], done: Collection[Cell], limits: Limits) -> list[Cell]:
    """As many of *cells*, in order, as each site may still be asked for in this run after *done*."""
    asked = Counter(site_of(cell) for cell in done)
    taken = []
    for cell in cells:
        if cell not in done and asked[site_of(cell)] < limits.requests:
            asked[site_of(cell)] += 1
            taken.append(cell)
    return taken


def _unless_held(context: Context, first: date) -> UnitWork[Any]:
    """The work of a unit, but what another run has brought meanwhile is not asked for again."""
    bars, figures = session_work(context), figures_work(context)
    with transaction(context.engine) as connection:
        listed = list_for_bars(connection, BAR_VENUES)

    def work_of(unit: Unit) -> UnitWork[Any]:
        return bars if unit.dataset == BARS else figures

    def fetch(unit: Unit) -> Any:
        with transaction(context.engine) as connection:
            gaps = _look(connection, context, unit.session or first, listed, (unit.dataset,))
        if not any(unit_of(cell) == unit for cell in gaps.missing):
            raise AlreadyRunning(say("asked_meanwhile"))
        return work_of(unit).fetch(unit)

    def store(connection: Connection, unit: Unit, fetched: Any) -> Stored:
        return work_of(unit).store(connection, unit, fetched)

    return UnitWork(fetch, store)


def _leave_to_older(context: Context) -> None:
    """One run at a time: in whatever order several begin, all but the oldest end."""
    if context.run_id is None:
        return
    with transaction(context.engine) as connection:
        older = runs.unfinished_before(connection, context.run_id)
    if older is not None:
        raise AlreadyRunning(say("older_run", run=older.id, time=f"{older.queued_at:%Y-%m-%d %H:%M}"))


def done_before(context: Context, datasets: Collection[str] = (BARS,)) -> list[Cell]:
    """What earlier attempts of this run brought of *datasets*."""
    return [] if context.run_id is None else done_by(context, context.run_id, datasets)


def done_by(context: Context, run_id: str, datasets: Collection[str] = (BARS,)) -> list[Cell]:
    """What that run has brought of *datasets*."""
    with transaction(context.engine) as connection:
        units = ledger.of_run(connection, run_id)
    return [
        Cell(unit.session, unit.venue, unit.dataset)
        for unit in units
        if unit.dataset in datasets and unit.session and unit.state in ("SUCCESS", "PARTIAL")
    ]


def _has_lists(listed: Mapping[Venue, Sequence[Listed]]) -> bool:
    return all(any(one.on_list for one in some) for some in listed.values())


def _newest_first(datasets: Sequence[str]) -> Callable[[Cell], tuple[int, int, int]]:
    return lambda cell: (-cell.session.toordinal(), datasets.index(cell.dataset), BAR_VENUES.index(cell.venue))
