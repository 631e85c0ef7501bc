"""Daily bars: written so that only what changed is written, read by symbol, by session or as a whole panel.

A write reads what is held under the batch's keys by binary COPY, compares whole columns in numpy, and then sends
only rows that are new (COPY straight into the table) and cells that differ (one UPDATE). docs/adr/0002 has the
measurements against staging in a temporary table.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray
from psycopg import sql
from sqlalchemy import Connection, text

from app.errors import InvalidParameter
from app.market.bar import Bar
from app.store.bar_columns import ABSENT, BarColumns, Ints, columns_of, day, joined
from app.store.bar_copy import copy_in, copy_out
from app.store.securities import ids_for

_LOCK = 0x51_4C_02
# One backend reads faster than three that hand each other rows (measured; until the end of the transaction).
_LOCK_WRITERS = text("SELECT pg_advisory_xact_lock(:lock), set_config('max_parallel_workers_per_gather', '0', true)")
_PART = 150_000
"""Rows compared at once: some 40 MB at most, however large the batch."""


@dataclass(frozen=True, slots=True)
class Written:
    """What a write did, in rows; ``revised`` counts published values that the venue changed since."""

    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    revised: int = 0

    @property
    def stored(self) -> int:
        """Rows that were written."""
        return self.inserted + self.updated

    def __add__(self, other: Written) -> Written:
        return Written(
            self.inserted + other.inserted,
            self.updated + other.updated,
            self.unchanged + other.unchanged,
            self.revised + other.revised,
        )


def write_bars(
    connection: Connection,
    bars: Sequence[Bar],
    *,
    fields: Collection[str],
    rounded: Mapping[str, int] | None = None,
    source: str,
    run_id: str | None,
    at: datetime,
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

    Raises:
        InvalidRow, UnknownSymbol, InvalidParameter: before anything was written.
    """
    ids = ids_for(connection, {bar.symbol for bar in bars})
    columns = columns_of(bars, ids, fields=fields)
    return write_columns(connection, columns, rounded=rounded, source=source, run_id=run_id, at=at)


def write_columns(
    connection: Connection,
    columns: BarColumns,
    *,
    rounded: Mapping[str, int] | None = None,
    source: str,
    run_id: str | None,
    at: datetime,
) -> Written:
    """``write_bars`` for bars that are columns already, as ``columns_of`` gives them."""
    if at.tzinfo is None:
        raise InvalidParameter("The instant of a write needs a time zone.")
    if len(columns):
        # Writers queue up, readers do not wait: what was compared is still true when it is written, and two
        # batches with the same keys in another order cannot deadlock.
        connection.execute(_LOCK_WRITERS, {"lock": _LOCK})
    written = Written()
    for start in range(0, len(columns), _PART):
        part = columns.take(slice(start, start + _PART))
        written += _write_part(connection, part, rounded=rounded or {}, source=source, run_id=run_id, at=at)
    return written


def _write_part(
    connection: Connection,
    columns: BarColumns,
    *,
    rounded: Mapping[str, int],
    source: str,
    run_id: str | None,
    at: datetime,
) -> Written:
    held = _held(connection, columns)
    place = np.searchsorted(held.keys, columns.keys)
    known = np.zeros(len(columns), np.bool_)
    inside = place < len(held)
    known[inside] = held.keys[place[inside]] == columns.keys[inside]
    if not known.all():
        copy_in(connection, columns.take(~known), at=at)
    fresh, old = columns.take(known), held.take(place[known])
    differs = {name: _differs(old.values[name], fresh.values[name], rounded.get(name, 1)) for name in fresh.values}
    changed = np.logical_or.reduce(list(differs.values()))
    if changed.any():
        _update(connection, fresh, old, differs=differs, rows=changed, at=at)
    revised = 0
    for name, cells in differs.items():
        gone = cells & (old.values[name] != ABSENT)
        revised += int(gone.sum())
        if gone.any():
            _revise(connection, fresh.take(gone), old.take(gone), field=name, source=source, run_id=run_id, at=at)
    return Written(int((~known).sum()), int(changed.sum()), int((~changed).sum()), revised)


def _held(connection: Connection, columns: BarColumns) -> BarColumns:
    """What the store has within the sessions and for the securities of *columns*, sorted by key."""
    where = sql.SQL("WHERE session BETWEEN {} AND {}").format(day(columns.sessions.min()), day(columns.sessions.max()))
    wanted = np.unique(columns.ids).tolist()
    if len(wanted) < _FEW:
        where += sql.SQL(" AND security_id = ANY({})").format(wanted)
    names = tuple(columns.values)
    return joined(list(copy_out(connection, names, where=where)), names).by_key()


_FEW = 500
"""Below so many securities they are looked up one by one in the key; above, whole sessions are read."""


def _differs(old: Ints, new: Ints, multiple: int) -> NDArray[np.bool_]:
    differs: NDArray[np.bool_] = old != new
    if multiple > 1:
        differs &= (old == ABSENT) | (new == ABSENT) | (np.abs(old - new) >= multiple)
    return differs


def _update(
    connection: Connection,
    fresh: BarColumns,
    old: BarColumns,
    *,
    differs: Mapping[str, NDArray[np.bool_]],
    rows: NDArray[np.bool_],
    at: datetime,
) -> None:
    names = tuple(fresh.values)
    given = ", ".join(f"CAST(:{name} AS bigint[])" for name in names)
    put = ", ".join(f"{name} = nullif(v.{name}, {ABSENT})" for name in names)
    values = {name: np.where(differs[name], fresh.values[name], old.values[name])[rows].tolist() for name in names}
    connection.execute(
        text(
            f"UPDATE bars SET {put}, recorded_at = :at "
            f"FROM unnest(CAST(:sessions AS date[]), CAST(:ids AS int[]), {given}) "
            f"AS v(session, security_id, {', '.join(names)}) "
            "WHERE bars.session = v.session AND bars.security_id = v.security_id"
        ),
        {"at": at, "sessions": [*map(day, fresh.sessions[rows])], "ids": fresh.ids[rows].tolist(), **values},
    )


def _revise(
    connection: Connection,
    fresh: BarColumns,
    old: BarColumns,
    *,
    field: str,
    source: str,
    run_id: str | None,
    at: datetime,
) -> None:
    connection.execute(
        text(
            "INSERT INTO revisions (security_id, session, field, old, new, source, run_id, seen_at) "
            f"SELECT id, session, :field, old, nullif(new, {ABSENT}), :source, :run_id, :at "
            "FROM unnest(CAST(:ids AS int[]), CAST(:sessions AS date[]), CAST(:old AS bigint[]), "
            "CAST(:new AS bigint[])) AS v(id, session, old, new)"
        ),
        {
            "field": field,
            "source": source,
            "run_id": run_id,
            "at": at,
            "ids": fresh.ids.tolist(),
            "sessions": [*map(day, fresh.sessions)],
            "old": old.values[field].tolist(),
            "new": fresh.values[field].tolist(),
        },
    )
