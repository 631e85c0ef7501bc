"""Advance the securities list of each venue to the newest published one."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from app.cache import values
from app.cache.keys import SECURITIES
from app.market.security import BAR_VENUES, Security, Venue
from app.services.context import Context
from app.services.quarantine import set_aside
from app.services.report import Report
from app.services.units import Stored, Unit, UnitWork, do_units
from app.sources import registry
from app.sources.base import ListQuery, Parsed
from app.store import coverage
from app.store.counts import Counts
from app.store.engine import Connection, transaction
from app.store.securities import ListChanges, list_securities, save_list

DATASET = "securities"
RECOUNTED = timedelta(days=60)
"""How far back the coverage is counted anew when a list changes: a listing or delisting becomes known within days."""


def sync_securities(context: Context) -> Report:
    """New, changed and delisted securities of TWSE, TPEx and the emerging board, without warrants."""
    changes: dict[str, dict[str, Any]] = {}

    def fetch(unit: Unit) -> Parsed[Security]:
        return context.client.fetch(registry.securities(), ListQuery(unit.venue))

    def store(connection: Connection, unit: Unit, parsed: Parsed[Security]) -> Stored:
        now = context.clock()
        quarantined = set_aside(
            connection,
            parsed.rejected,
            of=len(parsed.rows) + len(parsed.rejected),
            venue=unit.venue,
            dataset=DATASET,
            run_id=context.run_id,
            at=now,
        )
        change = save_list(connection, unit.venue, parsed.rows, at=now)
        changes[unit.venue.value] = _in_short(change)
        if unit.venue in BAR_VENUES and (change.new or change.changed or change.delisted):
            for venue in BAR_VENUES if change.moved else (unit.venue,):
                coverage.account_again(connection, venue, since=context.today() - RECOUNTED, moved=change.moved, at=now)
        return Stored(
            Counts(
                expected=len(parsed.rows) + len(parsed.rejected),
                fetched=len(parsed.rows) + len(parsed.rejected),
                stored=len(change.new) + len(change.changed) + len(change.delisted),
                unchanged=change.unchanged,
                quarantined=quarantined,
            )
        )

    report = do_units(
        [Unit(DATASET, venue, "list") for venue in Venue],
        UnitWork(fetch, store),
        context,
    )
    cached = cache_securities(context)
    return replace(report, details={**report.details, "changes": changes, "cached": cached})


def cache_securities(context: Context) -> int:
    """Put the active securities into Redis for a day; returns how many."""
    with transaction(context.engine) as connection:
        active = list_securities(connection, on_list=True)
    rows = [
        {"symbol": one.symbol, "name": one.name, "venue": one.venue, "kind": one.kind, "industry": one.industry}
        for one in active
    ]
    values.put(context.redis, SECURITIES, {"": rows})
    return len(rows)


def _in_short(change: ListChanges) -> dict[str, Any]:
    """Counts, and the symbols while they are few enough to read."""
    named = {"new": change.new, "changed": change.changed, "delisted": change.delisted}
    return {word: list(symbols) if len(symbols) <= 50 else len(symbols) for word, symbols in named.items()}
