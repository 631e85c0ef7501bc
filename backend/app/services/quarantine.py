"""Set rows aside that break a rule, or refuse the whole reply when there are too many of them."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from app.errors import TooManyInvalidRows
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
) -> int:
    """Quarantine *rejected*, which came among *of* rows; returns how many.

    Raises:
        TooManyInvalidRows: more than a fifth of the rows: nothing of the reply is stored.
    """
    if len(rejected) > max(FEW, LARGEST_SHARE * of):
        first = next(iter(rejected))
        message = (
            f"{len(rejected)} of {of} rows of {venue} {dataset} break rules, more than {LARGEST_SHARE:.0%}: nothing of "
            f"this reply is stored. The first: {first.reason}"
        )
        raise TooManyInvalidRows(message, rule=first.rule)
    return quarantine.add(connection, rejected, venue=venue, dataset=dataset, run_id=run_id, at=at)
