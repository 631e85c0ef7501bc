"""Daily bars, written: only what changed reaches the disk.

A write reads what is held under the batch's keys by binary COPY, compares whole columns in numpy, and then sends
only rows that are new (COPY straight into the table) and cells that differ (one UPDATE). docs/adr/0002 has the
measurements against staging in a temporary table.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection, text

from app.errors import InvalidParameter
from app.market.bar import Bar
from app.store.bar_changes import Origin, Written, write_part
from app.store.bar_columns import BarColumns, columns_of
from app.store.securities import ids_for

__all__ = ["Written", "lock_writers", "write_bars", "write_columns"]

_LOCK = 0x51_4C_02
# One backend reads faster than three that hand each other rows (measured; until the end of the transaction).
_LOCK_WRITERS = text("SELECT pg_advisory_xact_lock(:lock), set_config('max_parallel_workers_per_gather', '0', true)")
_PART = 150_000
"""Rows compared at once: some 40 MB at most, however large the batch."""


def lock_writers(connection: Connection) -> None:
    """Let nobody else write bars, or count them, until the caller's transaction ends; readers do not wait.

    A statement of its own: what follows it sees whatever those before have committed.
    """
    connection.execute(_LOCK_WRITERS, {"lock": _LOCK})


def write_bars(
    connection: Connection,
    bars: Sequence[Bar],
    *,
    fields: Collection[str],
    rounded: Mapping[str, int] | None = None,
    source: str,
    run_id: str | None,
    at: datetime,
    told_at: datetime | None = None,
) -> Written:
    """Make the store hold *bars*, as far as *fields* go, and say what that took.

    Only *fields* are compared and written: what a source does not publish stays as it is held. A held value that
    changes goes to ``revisions`` with its new one (or None); a value where none was held is no revision. The same
    bars again write nothing at all.

    Args:
        connection: in a transaction; nothing is kept unless the caller commits.
        bars: in any order, each (symbol, session) once, symbols all known to ``securities``.
        fields: those that the source publishes.
        rounded: the multiple to which the source rounds a field: a held value nearer than that is no change.
        source: the dataset's name, for ``revisions``.
        run_id: the run that writes, for ``revisions``.
        at: the instant of the write (aware).
        told_at: when the source told it, if not just now: what another source changed since then stays as it is held.

    Raises:
        InvalidRow, UnknownSymbol, InvalidParameter: before anything was written.
    """
    ids = ids_for(connection, {bar.symbol for bar in bars})
    columns = columns_of(bars, ids, fields=fields)
    return write_columns(connection, columns, rounded=rounded, source=source, run_id=run_id, at=at, told_at=told_at)


def write_columns(
    connection: Connection,
    columns: BarColumns,
    *,
    rounded: Mapping[str, int] | None = None,
    source: str,
    run_id: str | None,
    at: datetime,
    told_at: datetime | None = None,
) -> Written:
    """``write_bars`` for bars that are columns already, as ``columns_of`` gives them."""
    if at.tzinfo is None:
        raise InvalidParameter("The instant of a write needs a time zone.")
    if len(columns):
        # Writers queue up, readers do not wait: what was compared is still true when it is written, and two
        # batches with the same keys in another order cannot deadlock.
        lock_writers(connection)
    written, origin = Written(), Origin(source, run_id, at, told_at)
    for start in range(0, len(columns), _PART):
        part = columns.take(slice(start, start + _PART))
        written += write_part(connection, part, rounded=rounded or {}, origin=origin)
    return written
