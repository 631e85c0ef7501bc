"""Replay: rebuild the tables from the archive of raw replies, without one request."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

from app.market.bar import BAR_DATASETS
from app.market.sayings import say
from app.market.security import BAR_VENUES, Venue
from app.services.context import Context
from app.services.report import Report
from app.services.sync_corporate_actions import DIVIDENDS, RARE, actions_work
from app.services.sync_daily_bars import DATASET, session_work
from app.services.sync_figures import figures_work
from app.services.sync_month_bars import DATASET as MONTHS
from app.services.sync_month_bars import month_unit, month_work
from app.services.sync_securities import sync_securities
from app.services.units import Stored, Unit, UnitWork, do_units
from app.sources import registry
from app.sources.base import MonthQuery, PeriodQuery, SessionQuery
from app.sources.replayed import ArchivedClient
from app.store.engine import Connection
from app.store.securities import HeldSecurity, find_many, register_unlisted

Question = SessionQuery | MonthQuery | PeriodQuery
Waiting = tuple[str, Venue, date]
"""A session of a venue's dataset."""


def replay_archive(context: Context, *, start: date, end: date, only: Collection[Waiting] | None = None) -> Report:
    """Store again what the archive holds of the days from *start* to *end* (both included), as it once came.

    Securities lists, bars of sessions and of months, corporate actions and figures. The newest answer to each question
    counts, read by today's parsers: after a parser was mended, what it had set aside or read wrongly is put right.
    What is not archived stays as it is held, and so does what another dataset told after the answer had come. Nothing
    archived: SKIPPED. Notes of the archive that are damaged are left out and named: PARTIAL.

    *only* names the sessions of a venue's datasets that are wanted; the lists are then left as they are.
    """
    client = ArchivedClient(context.archived)
    offline = replace(context, client=client)
    if only is None and any(True for _ in client.questions("securities")):
        sync_securities(offline)
    asked = [
        (unit, query) for unit, query in _asked(client, start, end) if only is None or _is_wanted(unit, query, only)
    ]
    months = _months(context, {unit: query for unit, query in asked if isinstance(query, MonthQuery)})
    periods = {unit: query for unit, query in asked if isinstance(query, PeriodQuery)}
    figures = [unit for unit, _ in asked if unit.dataset in registry.figures()]
    units = [
        *(unit for unit, _ in asked if unit.dataset in BAR_DATASETS),  # as they came: of one bar the newest counts
        *sorted(figures, key=lambda unit: (str(unit.session), unit.dataset, unit.venue)),
        # After the bars, which tell how long a halt before an action was.
        *sorted(periods, key=lambda unit: (DIVIDENDS, *RARE).index(unit.dataset)),
    ]
    if not units:
        nothing = say("archive_empty", start=start, end=end)
        return _with_damage(Report("SKIPPED", nothing), client.damaged)
    work: dict[str, UnitWork[Any]] = {
        DATASET: session_work(offline),
        MONTHS: month_work(offline, months, start=start, end=end),
        **dict.fromkeys(registry.figures(), figures_work(offline)),
        **dict.fromkeys((DIVIDENDS, *RARE), actions_work(offline, periods)),
    }

    def fetch(unit: Unit) -> Any:
        return work[unit.dataset].fetch(unit)

    def store(connection: Connection, unit: Unit, fetched: Any) -> Stored:
        return work[unit.dataset].store(connection, unit, fetched)

    return _with_damage(do_units(units, UnitWork(fetch, store), offline), client.damaged)


def _asked(client: ArchivedClient, start: date, end: date) -> Iterator[tuple[Unit, Question]]:
    """What each venue was asked about those days, the oldest answer first: a later one may take back what it told."""
    for dataset, site, query in client.questions(*BAR_DATASETS, *registry.figures(), DIVIDENDS, *RARE):
        if not isinstance(query, Question) or not _overlaps(query, start, end):
            continue
        for venue in BAR_VENUES:
            kind = registry.DATASETS.get((venue, dataset))
            if kind and kind().request(query).site == site:
                yield _unit(dataset, venue, query), query


def _unit(dataset: str, venue: Venue, query: Question) -> Unit:
    match query:
        case SessionQuery(session):
            return Unit(dataset, venue, session.isoformat(), session=session)
        case MonthQuery(symbol, month):
            return month_unit(venue, symbol, month)
        case PeriodQuery(start, end):
            return Unit(dataset, venue, f"{start}…{end}")


def _overlaps(query: Question, start: date, end: date) -> bool:
    """Whether the answer may tell of days from *start* to *end*."""
    match query:
        case SessionQuery(session):
            return start <= session <= end
        case MonthQuery(_, month):
            return (start.year, start.month) <= (month.year, month.month) <= (end.year, end.month)
        case PeriodQuery(first, last):
            return first <= end and start <= last


def _is_wanted(unit: Unit, query: Question, only: Collection[Waiting]) -> bool:
    """Bars of a day may have come from either dataset: the answers of both are read, so that the newest one counts."""
    own = BAR_DATASETS if unit.dataset in BAR_DATASETS else (unit.dataset,)
    return any(dataset in own and venue == unit.venue and _overlaps(query, day, day) for dataset, venue, day in only)


def _with_damage(report: Report, damaged: Sequence[str]) -> Report:
    """The report, PARTIAL where notes of the archive were left out: nobody knows what they were about."""
    if not damaged:
        return report
    number = "A note" if len(damaged) == 1 else f"{len(damaged)} notes"
    told = f"{number} of the archive could not be read: delete it and fetch that day again. First: {damaged[0]}"
    details = {**report.details, "damaged": len(damaged)}
    return replace(report, state="PARTIAL", reason=f"{report.reason or ''} {told}".strip(), details=details)


def _months(context: Context, queries: Mapping[Unit, MonthQuery]) -> dict[Unit, tuple[HeldSecurity, date]]:
    """The securities whose months were asked for; one that is on no list any more gets its id back."""
    with context.writing() as connection:
        for venue in BAR_VENUES:
            symbols = {query.symbol: "" for unit, query in queries.items() if unit.venue is venue}
            register_unlisted(connection, venue, symbols, at=context.clock())
        known = find_many(connection, {query.symbol for query in queries.values()})
    return {unit: (known[query.symbol], query.month) for unit, query in queries.items()}
