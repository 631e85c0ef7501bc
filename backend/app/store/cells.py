"""What is known of cells (dataset × venue × session): held, set aside, said by the exchange, tried."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from sqlalchemy import Connection, exists, func, select

from app.errors import NotASession
from app.market.bar import BAR_DATASETS
from app.market.gaps import BARS, Cell, Try
from app.market.security import Venue
from app.store import sessions
from app.store.tables import bars, coverage, datasets, figures, quarantine, securities, units


@dataclass(frozen=True, slots=True)
class HeldCells:
    """Of the cells of a range; one that is not in a mapping has nothing of that sort."""

    rows: Mapping[Cell, int]
    expected: Mapping[Cell, int]
    """Of figures, which no list tells of; see ``figures.account``."""
    set_aside: Mapping[Cell, int]
    """In quarantine, and not held in an older version."""
    standing: Mapping[tuple[date, Venue], bool | None]
    """See ``sessions.standing``."""
    tries: Mapping[Cell, list[Try]]
    """Newest first."""


def read_cells(
    connection: Connection, *, dataset: str, start: date, end: date, but_run: str | None = None
) -> HeldCells:
    """What is known of *dataset* from *start* to *end*, both included; the tries of the run *but_run* do not count."""
    accounted = {} if dataset == BARS else _accounted(connection, dataset, start, end)
    return HeldCells(
        rows=_count_bars(connection, start, end)
        if dataset == BARS
        else {cell: one[0] for cell, one in accounted.items()},
        expected={cell: one[1] for cell, one in accounted.items()},
        set_aside=_count_set_aside(connection, dataset, start, end),
        standing=sessions.standing(connection, start=start, end=end),
        tries=_tries(connection, dataset, start, end, but_run),
    )


def _count_bars(connection: Connection, start: date, end: date) -> dict[Cell, int]:
    rows = connection.execute(
        select(bars.c.session, securities.c.venue, func.count())
        .join(securities, securities.c.id == bars.c.security_id)
        .where(bars.c.session.between(start, end))
        .group_by(bars.c.session, securities.c.venue)
    )
    return {Cell(session, Venue(venue)): number for session, venue, number in rows}


def _accounted(connection: Connection, dataset: str, start: date, end: date) -> dict[Cell, tuple[int, int]]:
    """Rows held and expected, of figures."""
    rows = connection.execute(
        select(coverage.c.session, coverage.c.venue, coverage.c.held, coverage.c.expected).where(
            coverage.c.dataset == dataset, coverage.c.session.between(start, end)
        )
    )
    return {Cell(session, Venue(venue), dataset): (held, expected) for session, venue, held, expected in rows}


def _count_set_aside(connection: Connection, dataset: str, start: date, end: date) -> dict[Cell, int]:
    """Symbols that wait in quarantine and of which nothing is held: a row of which an older one is held counts once."""
    held = (
        select(bars.c.security_id)
        .join(securities, securities.c.id == bars.c.security_id)
        .where(bars.c.session == quarantine.c.session, securities.c.symbol == quarantine.c.symbol)
        if dataset == BARS
        else select(figures.c.dataset_id)
        .join(datasets, datasets.c.id == figures.c.dataset_id)
        .where(
            datasets.c.name == dataset,
            figures.c.session == quarantine.c.session,
            figures.c.symbol == quarantine.c.symbol,
        )
    )
    rows = connection.execute(
        select(quarantine.c.session, quarantine.c.venue, func.count(quarantine.c.symbol.distinct()))
        .where(
            quarantine.c.dataset.in_(BAR_DATASETS if dataset == BARS else (dataset,)),
            quarantine.c.session.between(start, end),
            quarantine.c.released_at.is_(None),
            quarantine.c.severity == "blocking",
            ~exists(held.correlate(quarantine)),
        )
        .group_by(quarantine.c.session, quarantine.c.venue)
    )
    return {Cell(session, Venue(venue), dataset): number for session, venue, number in rows}


def _tries(
    connection: Connection, dataset: str, start: date, end: date, but_run: str | None
) -> defaultdict[Cell, list[Try]]:
    query = select(
        units.c.session, units.c.venue, units.c.state, units.c.finished_at, units.c.stored, units.c.unchanged
    ).where(units.c.dataset == dataset, units.c.session.between(start, end))
    # What was skipped tells nothing, but where there was an answer and it held nothing.
    query = query.where((units.c.state != "SKIPPED") | (units.c.error_type == NotASession.__name__))
    if but_run is not None:
        query = query.where(units.c.run_id != but_run)
    tries: defaultdict[Cell, list[Try]] = defaultdict(list)
    for session, venue, state, at, stored, unchanged in connection.execute(query.order_by(units.c.finished_at.desc())):
        tries[Cell(session, Venue(venue), dataset)].append(Try(state, at, (stored or 0) + (unchanged or 0)))
    return tries
