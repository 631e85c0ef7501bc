"""Read a few securities' bars again by stock-and-month history, compare with what is held, record revisions."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Any

from app.cache.keys import OHLCV, CacheKey
from app.errors import NoData
from app.market.bar import Bar
from app.market.security import Venue
from app.services.cache_bars import cache_bars
from app.services.context import Context
from app.services.gate import Gate
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
    wanted = month_units(securities, start=start, end=end)
    total = Written()

    def add(written: Written) -> None:
        nonlocal total
        total += written

    report = do_units(list(wanted), month_work(context, wanted, start=start, end=end, tell=add), context)
    cached = cache_bars(context, [one.symbol for one in securities], start=start, end=end, key=key)
    details: dict[str, Any] = {**report.details, "revised": total.revised, "cached": cached}
    return replace(report, details=details)


def month_units(securities: Sequence[HeldSecurity], *, start: date, end: date) -> dict[Unit, tuple[HeldSecurity, date]]:
    """The months of *securities* that the range touches, newest first."""
    return {
        month_unit(security.venue, security.symbol, month): (security, month)
        for month in reversed(months_between(start, end))
        for security in securities
    }


def month_unit(venue: Venue, symbol: str, month: date) -> Unit:
    """One security's month, as a piece of work."""
    return Unit(DATASET, venue, f"{symbol} {month:%Y-%m}")


def month_work(
    context: Context,
    wanted: Mapping[Unit, tuple[HeldSecurity, date]],
    *,
    start: date,
    end: date,
    tell: Callable[[Written], None] = lambda _: None,
) -> UnitWork[Parsed[Bar] | None]:
    """How such units are fetched, and stored as far as they lie from *start* to *end*; *tell* gets what was written."""
    calendar = context.calendar()
    gate = Gate([security for security, _ in wanted.values()], calendar)

    def expected_sessions(security: HeldSecurity, month: date, at: datetime) -> int:
        first = max(start, month, security.listed_on or start)
        sessions = calendar.sessions_between(first, min(end, _last_day(month)))
        return sum(calendar.is_published(day, at=at) for day in sessions)

    def fetch(unit: Unit) -> Parsed[Bar] | None:
        security, month = wanted[unit]
        try:
            return context.client.fetch(registry.month_bars(unit.venue), MonthQuery(security.symbol, month))
        except NoData:
            return None

    def store(connection: Connection, unit: Unit, parsed: Parsed[Bar] | None) -> Stored:
        now = context.clock()
        security, month = wanted[unit]
        expected = expected_sessions(security, month, (parsed and parsed.told_at) or now)
        written, quarantined, fetched = Written(), 0, 0
        if parsed:
            asked = _within(parsed, start, end)
            fetched = len(asked.rows) + len(asked.rejected)
            passed = gate.judge(connection, asked, venue=unit.venue, dataset=DATASET, today=context.today())
            quarantined = set_aside(
                connection,
                passed.blocked,
                of=fetched,
                venue=unit.venue,
                dataset=DATASET,
                run_id=context.run_id,
                at=now,
                warnings=passed.warnings,
                whole=(max(start, month), min(end, _last_day(month))),
                symbol=security.symbol,
                good=passed.rows,
                told_at=parsed.told_at,
            )
            written = store_bars.write_bars(
                connection,
                passed.rows,
                fields=parsed.fields,
                rounded=parsed.rounded,
                source=f"{unit.venue}.{DATASET}",
                run_id=context.run_id,
                at=now,
                told_at=parsed.told_at,
            )
            days = {bar.session for bar in asked.rows} | {row.session for row in asked.rejected if row.session}
            coverage.account(connection, unit.venue, sorted(days), at=now)
        tell(written)
        shortfall = f"{fetched} of {expected} sessions came." if fetched < expected else None
        counts = Counts(expected, fetched, written.stored, written.unchanged, quarantined)
        return Stored(counts, shortfall)

    return UnitWork(fetch, store)


def _within(parsed: Parsed[Bar], start: date, end: date) -> Parsed[Bar]:
    """Only what lies from *start* to *end*, and what tells no day."""
    places = [place for place, bar in enumerate(parsed.rows) if start <= bar.session <= end]
    return replace(
        parsed,
        rows=tuple(parsed.rows[place] for place in places),
        cells=tuple(parsed.cells[place] for place in places) if parsed.cells else (),
        rejected=tuple(row for row in parsed.rejected if row.session is None or start <= row.session <= end),
    )


def _last_day(month: date) -> date:
    return month.replace(day=monthrange(month.year, month.month)[1])
