"""Read a few securities' bars again by stock-and-month history, compare with what is held, record revisions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import Any

from app.cache.keys import OHLCV, CacheKey
from app.errors import NoData
from app.market.bar import Bar
from app.services.cache_bars import cache_bars
from app.services.context import Context
from app.services.quarantine import set_aside
from app.services.report import Report
from app.services.units import Stored, Unit, UnitWork, do_units
from app.sources import registry
from app.sources.base import MonthQuery, Parsed
from app.store import bars as store_bars
from app.store import coverage
from app.store.bars import Written
from app.store.counts import Counts
from app.store.engine import Connection
from app.store.securities import HeldSecurity

DATASET = "month_bars"


def months_between(start: date, end: date) -> list[date]:
    """The first day of each month that the range touches, in order."""
    count = (end.year - start.year) * 12 + end.month - start.month + 1
    return [
        date(start.year + (start.month - 1 + offset) // 12, (start.month - 1 + offset) % 12 + 1, 1)
        for offset in range(count)
    ]


def sync_month_bars(
    context: Context, securities: Sequence[HeldSecurity], *, start: date, end: date, key: CacheKey = OHLCV
) -> Report:
    """The bars of *securities* from *start* to *end*, one request a security and month."""
    by_scope = {
        f"{security.symbol} {month:%Y-%m}": (security, month)
        for month in reversed(months_between(start, end))
        for security in securities
    }
    calendar = context.calendar()
    total = Written()

    def expected_sessions(security: HeldSecurity, month: date) -> int:
        first = max(start, month, security.listed_on or start)
        published = [
            day
            for day in calendar.sessions_between(first, end)
            if (day.year, day.month) == (month.year, month.month) and calendar.is_published(day, at=context.clock())
        ]
        return len(published)

    def fetch(unit: Unit) -> Parsed[Bar] | None:
        security, month = by_scope[unit.scope]
        try:
            return context.client.fetch(registry.month_bars(unit.venue), MonthQuery(security.symbol, month))
        except NoData:
            return None

    def store(connection: Connection, unit: Unit, parsed: Parsed[Bar] | None) -> Stored:
        nonlocal total
        expected = expected_sessions(*by_scope[unit.scope])
        rows = [bar for bar in parsed.rows if start <= bar.session <= end] if parsed else []
        rejected = [row for row in parsed.rejected if _within(row.session, start, end)] if parsed else []
        now = context.clock()
        quarantined = set_aside(
            connection,
            rejected,
            of=len(rows) + len(rejected),
            venue=unit.venue,
            dataset=DATASET,
            run_id=context.run_id,
            at=now,
        )
        written = Written()
        if parsed and rows:
            written = store_bars.write_bars(
                connection,
                rows,
                fields=parsed.fields,
                rounded=parsed.rounded,
                source=f"{unit.venue}.{DATASET}",
                run_id=context.run_id,
                at=now,
            )
            coverage.account(connection, unit.venue, [row.session for row in rows], at=now)
        total += written
        fetched = len(rows) + len(rejected)
        shortfall = f"{fetched} of {expected} sessions came." if fetched < expected else None
        counts = Counts(expected, fetched, written.stored, written.unchanged, quarantined)
        return Stored(counts, shortfall)

    report = do_units(
        [Unit(DATASET, security.venue, scope) for scope, (security, _) in by_scope.items()],
        UnitWork(fetch, store),
        context,
    )
    cached = cache_bars(context, [one.symbol for one in securities], start=start, end=end, key=key)
    details: dict[str, Any] = {**report.details, "revised": total.revised, "cached": cached}
    return replace(report, details=details)


def _within(session: date | None, start: date, end: date) -> bool:
    return session is None or start <= session <= end
