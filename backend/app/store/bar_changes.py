"""What a batch of bars changes: compare with what is held, copy in what is new, update cells that differ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray
from psycopg import sql
from sqlalchemy import Connection, text

from app.market.bar import ABSENT
from app.market.bar_table import Ints
from app.store.bar_columns import BarColumns, day, joined
from app.store.bar_copy import copy_in, copy_out
from app.store.bar_precedence import told_later
from app.store.bar_sharpening import only_sharper

_LATER = "greatest(CAST(:at AS timestamptz), bars.recorded_at + interval '1 microsecond')"
"""Each state of a row is later than the one before, even where a clock was put back: as it stood is then one answer."""

_FEW = 500
"""Below so many securities they are looked up one by one in the key; above, whole sessions are read."""


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


@dataclass(frozen=True, slots=True)
class Origin:
    """Who writes, and when: what ``revisions`` keeps beside the values.

    ``told_at`` is when the source told it, if that was long ago: what others told since then is newer and stays.
    """

    source: str
    run_id: str | None
    at: datetime
    told_at: datetime | None = None


def write_part(connection: Connection, columns: BarColumns, *, rounded: Mapping[str, int], origin: Origin) -> Written:
    """Make the store hold *columns*; the caller holds the writers' lock."""
    held = _held(connection, columns)
    place = np.searchsorted(held.keys, columns.keys)
    known = np.zeros(len(columns), np.bool_)
    inside = place < len(held)
    known[inside] = held.keys[place[inside]] == columns.keys[inside]
    if not known.all():
        copy_in(connection, columns.take(~known), at=origin.at)
    fresh, old = columns.take(known), held.take(place[known])
    differs = {name: _differs(old.values[name], fresh.values[name], rounded.get(name, 1)) for name in fresh.values}
    if origin.told_at is not None:
        doubtful = fresh.take(np.logical_or.reduce(list(differs.values())))
        later = told_later(connection, doubtful, source=origin.source, since=origin.told_at)
        differs |= {name: differs[name] & ~np.isin(fresh.keys, keys) for name, keys in later.items()}
    changed = np.logical_or.reduce(list(differs.values()))
    revised = 0
    for name, cells in differs.items():
        sharper = only_sharper(name, old.values[name], fresh.values[name], source=origin.source)
        revised += int((cells & (old.values[name] != ABSENT) & ~sharper).sum())
        if cells.any():
            _revise(connection, fresh.take(cells), old.take(cells), field=name, origin=origin)
    if changed.any():  # after the revisions, which note when what is replaced had been recorded
        _update(connection, fresh, old, differs=differs, rows=changed, at=origin.at)
    return Written(int((~known).sum()), int(changed.sum()), int((~changed).sum()), revised)


def _held(connection: Connection, columns: BarColumns) -> BarColumns:
    """What the store has within the sessions and for the securities of *columns*, sorted by key."""
    where = sql.SQL("WHERE session BETWEEN {} AND {}").format(day(columns.sessions.min()), day(columns.sessions.max()))
    wanted = np.unique(columns.ids).tolist()
    if len(wanted) < _FEW:
        where += sql.SQL(" AND security_id = ANY({})").format(wanted)
    names = tuple(columns.values)
    return joined(list(copy_out(connection, names, where=where)), names).by_key()


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
            f"UPDATE bars SET {put}, recorded_at = {_LATER} "
            f"FROM unnest(CAST(:sessions AS date[]), CAST(:ids AS int[]), {given}) "
            f"AS v(session, security_id, {', '.join(names)}) "
            "WHERE bars.session = v.session AND bars.security_id = v.security_id"
        ),
        {"at": at, "sessions": [*map(day, fresh.sessions[rows])], "ids": fresh.ids[rows].tolist(), **values},
    )


def _revise(connection: Connection, fresh: BarColumns, old: BarColumns, *, field: str, origin: Origin) -> None:
    connection.execute(
        text(
            "INSERT INTO revisions (security_id, session, field, old, new, source, run_id, seen_at, held_since) "
            f"SELECT id, v.session, :field, nullif(old, {ABSENT}), nullif(new, {ABSENT}), :source, :run_id, "
            f"{_LATER}, recorded_at "
            "FROM unnest(CAST(:ids AS int[]), CAST(:sessions AS date[]), CAST(:old AS bigint[]), "
            "CAST(:new AS bigint[])) AS v(id, session, old, new) "
            "JOIN bars ON bars.session = v.session AND bars.security_id = v.id"
        ),
        {
            "field": field,
            "source": origin.source,
            "run_id": origin.run_id,
            "at": origin.at,
            "ids": fresh.ids.tolist(),
            "sessions": [*map(day, fresh.sessions)],
            "old": old.values[field].tolist(),
            "new": fresh.values[field].tolist(),
        },
    )
