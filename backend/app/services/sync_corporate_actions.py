"""Advance the ledger of corporate actions: dividends, rights, reductions, par changes and splits of both venues."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date

from app.errors import NoData
from app.market.corporate_action import CorporateAction
from app.market.sayings import say
from app.market.security import BAR_VENUES, Venue
from app.services.backfill import for_a_while
from app.services.context import Context
from app.services.quarantine import set_aside
from app.services.report import Report
from app.services.sync_daily_bars import ensure_securities
from app.services.sync_month_bars import months_between
from app.services.units import Stored, Unit, UnitWork, do_units
from app.sources import registry
from app.sources.base import Parsed, PeriodQuery
from app.store import coverage
from app.store.corporate_actions import write_actions
from app.store.counts import Counts
from app.store.engine import Connection
from app.store.halts import derive_halts
from app.store.securities import known_symbols, register_unlisted

DIVIDENDS = "dividends"
RARE = ("reductions", "par_changes", "etf_splits", "etf_reverse_splits")
"""Some ten a year of each: asked for by the year where it is long ago, and each came with a halt."""


def sync_corporate_actions(context: Context, *, start: date, end: date) -> Report:
    """The actions whose ex-date lies from *start* to *end* (both included), newest first, of TWSE and TPEx."""
    ensure_securities(context)
    queries = action_queries(start, end)
    if not queries:
        return Report("SKIPPED", say("no_actions", start=start, end=end))

    newest_first = sorted(queries, key=lambda unit: queries[unit].end, reverse=True)
    return do_units(newest_first, actions_work(context, queries), replace(context, give_back=for_a_while(context)))


def action_queries(start: date, end: date) -> dict[Unit, PeriodQuery]:
    """What is asked for the actions from *start* to *end*: months of dividends, years of what is rare."""
    return {
        Unit(name, venue, scope): query
        for scope, query in _periods(start, end)
        for name in ((DIVIDENDS,) if len(scope) == len("2025-06") else RARE)
        for venue in BAR_VENUES
        if (venue, name) in registry.DATASETS
    }


def actions_work(context: Context, queries: Mapping[Unit, PeriodQuery]) -> UnitWork[Parsed[CorporateAction]]:
    """How such units are fetched and stored, whoever wants them; *queries* tells the period of each."""

    def fetch(unit: Unit) -> Parsed[CorporateAction]:
        try:
            return context.client.fetch(registry.dataset(unit.venue, unit.dataset), queries[unit])
        except NoData:
            return Parsed(())

    def store(connection: Connection, unit: Unit, parsed: Parsed[CorporateAction]) -> Stored:
        return _store(connection, context, unit, query=queries[unit], parsed=parsed)

    return UnitWork(fetch, store)


def _periods(start: date, end: date) -> Iterator[tuple[str, PeriodQuery]]:
    """The range cut into months (``2025-06``) and into years (``2025``)."""
    for month in months_between(start, end):
        following = date(month.year + month.month // 12, month.month % 12 + 1, 1)
        last = date.fromordinal(following.toordinal() - 1)
        yield f"{month:%Y-%m}", PeriodQuery(max(month, start), min(last, end))
    for year in range(start.year, end.year + 1):
        yield f"{year}", PeriodQuery(max(date(year, 1, 1), start), min(date(year, 12, 31), end))


def _store(
    connection: Connection, context: Context, unit: Unit, *, query: PeriodQuery, parsed: Parsed[CorporateAction]
) -> Stored:
    now = context.clock()
    fetched = len(parsed.rows) + len(parsed.rejected)
    quarantined = set_aside(
        connection,
        parsed.rejected,
        of=fetched,
        venue=unit.venue,
        dataset=unit.dataset,
        run_id=context.run_id,
        at=now,
        whole=(query.start, query.end),
    )
    known = known_symbols(connection)
    unlisted = {action.symbol: "" for action in parsed.rows if action.symbol not in known}
    register_unlisted(connection, unit.venue, unlisted, at=now)
    written = write_actions(
        connection,
        parsed.rows,
        period=(query.start, query.end),
        source=f"{unit.venue}.{unit.dataset}",
        run_id=context.run_id,
        at=now,
        unreadable=[row.symbol for row in parsed.rejected],
    )
    if unit.dataset in RARE:
        _explain(connection, unit.venue, query, context=context)
    shortfall = None
    if written.doubted:
        shortfall = (
            f"it published nothing from {query.start} to {query.end}, of which the ledger has {written.doubted}: "
            "nothing is taken back until a reply with others lacks them."
        )
    return Stored(
        Counts(fetched, fetched, written.stored + written.withdrawn, written.unchanged, quarantined), shortfall
    )


def _explain(connection: Connection, venue: Venue, query: PeriodQuery, *, context: Context) -> None:
    """Let the halts before these actions explain the bars that were not there, and count those days anew."""
    now = context.clock()
    for first, last in derive_halts(connection, venue, start=query.start, end=query.end, at=now):
        counted = coverage.read_coverage(connection, start=first, end=last, dataset=coverage.BARS, venue=venue)
        coverage.account(connection, venue, [one.session for one in counted], at=now)
