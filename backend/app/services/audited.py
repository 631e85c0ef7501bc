"""Every change leaves a row of the audit: written before it is made, completed when it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from loguru import logger

from app.errors import (
    AlreadyRunning,
    InvalidParameter,
    NotAllowed,
    NotAuthorised,
    QuantLabError,
    TooManyAttempts,
    storable,
)
from app.services.identity import Identity
from app.store import audit
from app.store.engine import Connection, Engine, transaction

_REFUSALS = (AlreadyRunning, InvalidParameter, NotAllowed, NotAuthorised, TooManyAttempts)
"""By their meaning nothing was done."""
_LONGEST_ERROR = 1_000


@dataclass
class Row:
    """What the audit will say; whoever makes the change fills in what it learns of it."""

    id: int
    subject: str
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None


@contextmanager
def change(
    engine: Engine, who: Identity, action: str, subject: str, *, before: Mapping[str, Any] | None = None
) -> Iterator[Row]:
    """The block makes a change: *action* (``noun.verb``) on *subject*, JSON values *before* it and after.

    The row stands before the block begins, so no change is without one, whatever dies in between. What the block
    refuses leaves none; what else it raises stands in the row.

    Raises:
        StoreUnavailable: PostgreSQL does not answer, and nothing was changed; or it was changed, and the row still
            says "begun".
    """
    with transaction(engine) as connection:
        row = begin(connection, who, action, subject, before=before)
    try:
        yield row
    except _REFUSALS:
        _settle(engine, row, None)
        raise
    except Exception as error:
        said = str(error) if isinstance(error, QuantLabError) else type(error).__name__
        _settle(engine, row, storable(said[:_LONGEST_ERROR]) or type(error).__name__)
        raise
    with transaction(engine) as connection:
        end(connection, row, after=row.after)


def begin(
    connection: Connection, who: Identity, action: str, subject: str, *, before: Mapping[str, Any] | None = None
) -> Row:
    """A row for a change that is made in the same transaction."""
    subject = storable(subject)
    row_id = audit.begin(connection, who=who.name, via=who.via, action=action, subject=subject, before=before)
    return Row(row_id, subject, before)


def end(connection: Connection, row: Row, *, after: Mapping[str, Any] | None) -> None:
    """The change is made."""
    subject = storable(row.subject)
    audit.complete(connection, row.id, subject=subject, before=row.before, after=after, error=None)


def _settle(engine: Engine, row: Row, error: str | None) -> None:
    """Note the failure, or take a refusal's row back; what the block raised counts for more than a failure here."""
    try:
        with transaction(engine) as connection:
            if error is None:
                audit.withdraw(connection, row.id)
            else:
                subject = storable(row.subject)
                audit.complete(connection, row.id, subject=subject, before=row.before, after=row.after, error=error)
    except QuantLabError as failure:
        logger.warning("The audit row {} still says begun: {}", row.id, failure)
