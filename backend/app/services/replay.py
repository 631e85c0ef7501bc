"""Replay: rebuild the tables from the archive of raw replies, without one request."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import date
from typing import Any

from app.market.security import BAR_VENUES, Venue
from app.services.context import Context
from app.services.report import Report
from app.services.sync_corporate_actions import DIVIDENDS, RARE, actions_work
from app.services.sync_daily_bars import DATASET, session_work
from app.services.sync_figures import figures_work
from app.services.sync_securities import sync_securities
from app.services.units import Stored, Unit, UnitWork, do_units
from app.sources import registry
from app.sources.base import PeriodQuery, SessionQuery
from app.sources.replayed import ArchivedClient
from app.store.engine import Connection

Waiting = tuple[str, Venue, date]
"""A session of a venue's dataset."""


def replay_archive(context: Context, *, start: date, end: date, only: Collection[Waiting] | None = None) -> Report:
    """Store again what the archive holds of the days from *start* to *end* (both included), oldest first.

    Securities lists, daily bars, corporate actions and figures. The newest answer to each question counts, read by
    today's parsers: after a parser was mended, what it had set aside or read wrongly is put right. What is not
    archived stays as it is held. Nothing archived: SKIPPED.

    *only* names the sessions of a venue's datasets that are wanted; the lists are then left as they are.
    """
    client = ArchivedClient(context.data_dir / "archive")
    offline = replace(context, client=client)
    if only is None and any(True for _ in client.questions("securities")):
        sync_securities(offline)
    sessions = [unit for name in (DATASET, *registry.figures()) for unit in _sessions(client, name, start, end)]
    periods = {unit: query for name in (DIVIDENDS, *RARE) for unit, query in _periods(client, name, start, end).items()}
    if only is not None:
        sessions = [unit for unit in sessions if (unit.dataset, unit.venue, unit.session) in only]
        periods = {unit: query for unit, query in periods.items() if _is_wanted(unit, query, only)}
    units = [
        *sorted(sessions, key=lambda unit: (str(unit.session), unit.dataset, unit.venue)),
        *periods,  # after the bars, which tell how long a halt before an action was
    ]
    if not units:
        return Report("SKIPPED", f"The archive holds nothing of the days from {start} to {end}.")
    figures = figures_work(offline)
    work: dict[str, UnitWork[Any]] = {
        DATASET: session_work(offline),
        **dict.fromkeys(registry.figures(), figures),
        **dict.fromkeys((DIVIDENDS, *RARE), actions_work(offline, periods)),
    }

    def fetch(unit: Unit) -> Any:
        return work[unit.dataset].fetch(unit)

    def store(connection: Connection, unit: Unit, fetched: Any) -> Stored:
        return work[unit.dataset].store(connection, unit, fetched)

    return do_units(units, UnitWork(fetch, store), offline)


def _is_wanted(unit: Unit, query: PeriodQuery, only: Collection[Waiting]) -> bool:
    return any(
        (dataset, venue) == (unit.dataset, unit.venue) and query.start <= day <= query.end
        for dataset, venue, day in only
    )


def _sessions(client: ArchivedClient, dataset: str, start: date, end: date) -> list[Unit]:
    """The sessions that each venue was asked for."""
    asked = {(site, query.session) for site, query in client.questions(dataset) if isinstance(query, SessionQuery)}
    days = sorted({session for _, session in asked if start <= session <= end})
    return [
        Unit(dataset, venue, day.isoformat(), session=day)
        for day in days
        for venue in BAR_VENUES
        if (kind := registry.DATASETS.get((venue, dataset))) and (kind().request(SessionQuery(day)).site, day) in asked
    ]


def _periods(client: ArchivedClient, dataset: str, start: date, end: date) -> dict[Unit, PeriodQuery]:
    """The periods that each venue was asked for, the oldest answer first: a later one may take back what it told."""
    found = {}
    for site, query in client.questions(dataset):
        if not isinstance(query, PeriodQuery) or query.end < start or query.start > end:
            continue
        for venue in BAR_VENUES:
            kind = registry.DATASETS.get((venue, dataset))
            if kind and kind().request(query).site == site:
                found[Unit(dataset, venue, f"{query.start}…{query.end}")] = query
    return found
