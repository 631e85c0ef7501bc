"""Advance the figures that the exchanges publish besides bars: a unit is dataset × venue × session.

Which datasets there are, their fields and venues, the registry says: a further one changes nothing here.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date, datetime

from app.errors import InvalidParameter, NoData, NotASession, NotYetPublished
from app.market.calendar import TAIPEI
from app.market.figures import Figures
from app.market.figures import Unit as Measure
from app.market.sayings import say
from app.services.context import Context
from app.services.quarantine import set_aside
from app.services.report import Report
from app.services.units import Stored, Unit, UnitWork, do_units
from app.sources import registry
from app.sources.base import Parsed, SessionQuery
from app.store import figures as store_figures
from app.store import sessions
from app.store.counts import Counts
from app.store.engine import Connection


def fields_of(dataset: str) -> dict[str, Measure]:
    """The fields of a dataset with their units, in order. Raises InvalidParameter, naming those that there are."""
    found = registry.figures()
    if dataset not in found:
        raise InvalidParameter(f"There is no dataset of figures {dataset!r}; there are {', '.join(found)}.")
    return {name: unit for one in found[dataset].values() for name, unit in one.units().items()}


def sync_figures(context: Context, *, start: date, end: date, datasets: Collection[str] | None = None) -> Report:
    """The figures of every session from *start* to *end* (both included), newest first; *datasets* None means all."""
    units = figure_units(context, start=start, end=end, datasets=datasets)
    if not units:
        raise NotASession(say("no_session_begun", start=start, end=end))
    return do_units(units, figures_work(context), context)


def figure_units(context: Context, *, start: date, end: date, datasets: Collection[str] | None = None) -> list[Unit]:
    """The tables of the sessions from *start* to *end* that have begun, newest first; *datasets* None means all."""
    known = registry.figures()
    for name in datasets or ():
        fields_of(name)
    calendar = context.calendar()
    days = calendar.sessions_between(start, min(end, calendar.last_session(context.clock())))
    return [
        Unit(name, venue, day.isoformat(), session=day)
        for day in reversed(days)
        for name in (known if datasets is None else dict.fromkeys(datasets))
        for venue in known[name]
    ]


def figures_work(context: Context) -> UnitWork[Parsed[Figures] | None]:
    """How such units are fetched and stored, whoever wants them."""

    def fetch(unit: Unit) -> Parsed[Figures] | None:
        dataset, day = registry.figures()[unit.dataset][unit.venue], _day(unit)
        try:
            return context.client.fetch(dataset, SessionQuery(day))
        except NoData as error:
            if context.clock() < datetime.combine(day, dataset.published_by, TAIPEI):
                by = f"{dataset.published_by:%H:%M}"
                message = say("publishes_by", venue=unit.venue, dataset=unit.dataset, day=day, clock=by)
                raise NotYetPublished(message, site=error.site) from error
            return None

    def store(connection: Connection, unit: Unit, parsed: Parsed[Figures] | None) -> Stored:
        return _store(connection, context, unit, parsed)

    return UnitWork(fetch, store)


def _store(connection: Connection, context: Context, unit: Unit, parsed: Parsed[Figures] | None) -> Stored:
    """Write one table and quarantine what breaks a rule; says so when nothing came, or much less than before."""
    now, day = context.clock(), _day(unit)
    if parsed is None:
        if not sessions.traded(connection, day):
            raise NotASession(say("unknown_open", venue=unit.venue, dataset=unit.dataset, day=day))
        nothing = "it published nothing of a session on which the market was open."
        return Stored(Counts(fetched=0, stored=0, unchanged=0, quarantined=0), nothing)
    fetched = len(parsed.rows) + len(parsed.rejected)
    quarantined = set_aside(
        connection,
        parsed.rejected,
        of=fetched,
        venue=unit.venue,
        dataset=unit.dataset,
        run_id=context.run_id,
        at=now,
        whole=(day, day),
    )
    fields: Sequence[str] = list(fields_of(unit.dataset))
    written = store_figures.write_figures(connection, unit.dataset, parsed.rows, fields=fields, at=now)
    expected = store_figures.account(
        connection,
        unit.dataset,
        unit.venue,
        day,
        came=len(parsed.rows),
        new=written.stored - written.revised,
        quarantined=len(parsed.rejected),
        at=now,
    )
    shortfall = None
    if fetched < store_figures.FEWEST * expected:
        shortfall = f"{fetched} rows came, where {expected} were expected, as before."
    elif not parsed.rows:
        shortfall = "no row of it could be read."
    return Stored(Counts(expected, fetched, written.stored, written.unchanged, quarantined), shortfall)


def _day(unit: Unit) -> date:
    if unit.session is None:
        raise ValueError(f"{unit} has no session")
    return unit.session
