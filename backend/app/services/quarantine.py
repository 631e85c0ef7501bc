"""Set rows aside that break a rule, or refuse the whole reply when there are too many of them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date, datetime

from app.errors import TooManyInvalidRows
from app.market.bar import Bar
from app.market.security import Venue
from app.sources.base import RejectedRow
from app.store import quarantine
from app.store.engine import Connection

LARGEST_SHARE = 0.2
"""Above it the reply is in doubt, not its rows: the worst real day of the panels has under 1 %."""
FEW = 10


def set_aside(
    connection: Connection,
    rejected: Collection[RejectedRow],
    *,
    of: int,
    venue: Venue,
    dataset: str,
    run_id: str | None,
    at: datetime,
    warnings: Collection[RejectedRow] = (),
    whole: tuple[date, date] | None = None,
    symbol: str | None = None,
    good: Sequence[Bar] = (),
    told_at: datetime | None = None,
) -> int:
    """Quarantine *rejected*, which came among *of* rows; returns how many. *warnings* are of rows that are stored.

    *whole* says that the reply is all there is of the days from one to the other (of *symbol*, if given): what waits
    of them and is not found any more is mended. Of the bars that are *good*, what waits from elsewhere is mended, too.
    *told_at* is when the reply had come, if not just now.

    Raises:
        TooManyInvalidRows: more than a fifth of the rows: nothing of the reply is stored.
    """
    # What was read and then judged may have broken several rules.
    judged = {(row.symbol, row.session) for row in rejected if row.parsed is not None}
    number = sum(row.parsed is None for row in rejected) + len(judged)
    if number > max(FEW, LARGEST_SHARE * of):
        first = next(iter(rejected))
        message = (
            f"{number} of {of} rows of {venue} {dataset} break rules, more than {LARGEST_SHARE:.0%}: nothing of "
            f"this reply is stored. The first: {first.reason}"
        )
        raise TooManyInvalidRows(message, rule=first.rule)
    found = (*rejected, *warnings)
    seen = quarantine.add(connection, found, venue=venue, dataset=dataset, run_id=run_id, at=told_at or at)
    if whole:
        quarantine.mend(connection, venue, dataset, *whole, symbol=symbol, but=seen, at=at)
    quarantine.mend_bars(connection, venue, good, but=dataset, told_at=told_at, at=at)
    return number
