"""Figures of every dataset in one pair of tables: a dataset has fields, its rows hold one whole number for each.

Fields are only ever appended to a dataset, rows to the figures: the newest row of a key holds, so that a value that a
venue changed later is there with the old one, and the table can be read as it stood.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from statistics import median_low
from typing import Any

from sqlalchemy import Connection, Row, Select, func, insert, select, text, update
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.dialects.postgresql import insert as upsert

from app.errors import InvalidParameter, InvalidRow
from app.market.figures import Figures
from app.market.security import Venue
from app.store.tables import coverage, datasets
from app.store.tables import figures as table

FEWEST = 0.9
"""Below this share of what was expected of the sessions before, rows are missing; who trades differs by some percent a
day."""
_BEFORE = 5
"""So many sessions before are looked at: their median is neither one odd day's, nor wears off from day to day."""
_LOCK = 0x51_4C_09
_TICK = timedelta(microseconds=1)
_KEY = (table.c.dataset_id, table.c.session, table.c.symbol)


@dataclass(frozen=True, slots=True)
class Written:
    """What a write did: new rows, rows that differ from what was held before, and those that stayed."""

    stored: int = 0
    revised: int = 0
    unchanged: int = 0


def lock_writers(connection: Connection) -> None:
    """Let nobody else write figures, or count them, until the caller's transaction ends; readers do not wait."""
    connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})


def register(connection: Connection, name: str, fields: Sequence[str]) -> tuple[int, tuple[str, ...]]:
    """The id of the dataset and all its fields in order; *fields* that it has not yet are appended."""
    connection.execute(upsert(datasets).values(name=name, fields=list(fields)).on_conflict_do_nothing())
    row = connection.execute(select(datasets).where(datasets.c.name == name).with_for_update()).one()
    new = [field for field in fields if field not in row.fields]
    if new:
        connection.execute(update(datasets).where(datasets.c.id == row.id).values(fields=[*row.fields, *new]))
    return row.id, (*row.fields, *new)


def write_figures(
    connection: Connection, name: str, rows: Sequence[Figures], *, fields: Sequence[str], at: datetime
) -> Written:
    """Make the store hold *rows* of the dataset *name*, as far as their own fields go; the same again writes nothing.

    Args:
        connection: in a transaction; nothing is kept unless the caller commits.
        name: the dataset.
        rows: each (symbol, session) once. A field that a row lacks stays as it is held.
        fields: all that the dataset may have, in order.
        at: the instant of the write (aware).

    Raises:
        InvalidRow: a row twice.
        InvalidParameter: a field that is none of *fields*, or an instant without a time zone.
    """
    if at.tzinfo is None:
        raise InvalidParameter("The instant of a write needs a time zone.")
    if unknown := {field for row in rows for field in row.values} - set(fields):
        raise InvalidParameter(f"{name} has no field {', '.join(sorted(unknown))}; it has {', '.join(fields)}.")
    if len({(row.symbol, row.session) for row in rows}) < len(rows):
        raise InvalidRow(f"A row of {name} is there twice.", rule="duplicate-row")
    # Writers queue up, readers do not wait: what was compared is still true when it is written.
    lock_writers(connection)
    dataset, order = register(connection, name, fields)
    sessions = sorted({row.session for row in rows})
    newest = _newest(None).where(table.c.dataset_id == dataset, table.c.session.in_(sessions))
    held = {(row.session, row.symbol): row for row in connection.execute(newest)}
    changed: list[dict[str, Any]] = []
    revised = 0
    for row in rows:
        old = held.get((row.session, row.symbol))
        before = _by_name(old, order) if old else {}
        if old and all(before[field] == value for field, value in row.values.items()):
            continue
        revised += old is not None
        values = before | dict(row.values)
        changed.append(
            {
                "dataset_id": dataset,
                "session": row.session,
                "symbol": row.symbol,
                # After what it replaces, also where a clock was set back or stands still.
                "recorded_at": max(at, old.recorded_at + _TICK) if old else at,
                "values": [values.get(field) for field in order],
            }
        )
    if changed:
        connection.execute(insert(table), changed)
    return Written(len(changed), revised, len(rows) - len(changed))


def list_fields(connection: Connection) -> dict[str, tuple[str, ...]]:
    """Every dataset that was ever written, with its fields in order."""
    return {row.name: tuple(row.fields) for row in connection.execute(select(datasets).order_by(datasets.c.name))}


def read_figures(
    connection: Connection,
    name: str,
    *,
    symbols: Collection[str] | None = None,
    start: date | None = None,
    end: date | None = None,
    fields: Collection[str] | None = None,
    limit: int | None = None,
    as_of: datetime | None = None,
) -> list[Figures]:
    """The figures of *symbols* (None: all) from *start* to *end* (both included, None: open), oldest session first.

    With *limit* the newest so many rows; with *as_of* (aware) what was held at that instant. *fields* None means all
    that the dataset has. No such dataset, symbol or row: an empty list.

    Raises:
        InvalidParameter: a field that the dataset does not have.
    """
    dataset = connection.execute(select(datasets).where(datasets.c.name == name)).one_or_none()
    if dataset is None:
        return []
    if unknown := set(fields or ()) - set(dataset.fields):
        known = ", ".join(dataset.fields)
        raise InvalidParameter(f"{name} has no field {', '.join(sorted(unknown))}; it has {known}.")
    query = _newest(as_of).where(table.c.dataset_id == dataset.id)
    if symbols is not None:
        query = query.where(table.c.symbol.in_(list(symbols)))
    if start is not None:
        query = query.where(table.c.session >= start)
    if end is not None:
        query = query.where(table.c.session <= end)
    found = [
        Figures(row.symbol, row.session, _by_name(row, dataset.fields, only=fields))
        for row in connection.execute(query.limit(limit))
    ]
    return sorted(found, key=lambda row: (row.session, row.symbol))


def account(
    connection: Connection,
    name: str,
    venue: Venue,
    session: date,
    *,
    came: int,
    new: int,
    quarantined: int,
    at: datetime,
) -> int:
    """Account for the rows of one session in ``coverage``; returns how many were expected.

    No list tells whose figures there must be (not every stock has margin trading, or was traded by a trust): expected
    is what is held, unless that is far from what was expected of the sessions before. A reply of *came* rows of which
    *new* were not held yet takes none away: of a session read before, what it lacks now is held all the same.
    """
    of_it = (coverage.c.dataset == name, coverage.c.venue == venue)
    earlier = connection.scalars(
        select(coverage.c.expected)
        .where(*of_it, coverage.c.session < session, coverage.c.expected > 0)
        .order_by(coverage.c.session.desc())
        .limit(_BEFORE)
    ).all()
    already = connection.scalar(select(coverage.c.held).where(*of_it, coverage.c.session == session)) or 0
    held = max(came, already + new)
    quarantined = max(came + quarantined - held, 0)  # a row set aside now may be held since an earlier reply
    usual = median_low(earlier) if earlier else 0
    expected = usual if held + quarantined < FEWEST * usual else held + quarantined
    counts = {"expected": expected, "held": held, "quarantined": quarantined, "missing": expected - held - quarantined}
    values: dict[str, Any] = {**counts, "explained": {}, "recorded_at": at}
    changed = func.row(*(coverage.c[key] for key in counts)).is_distinct_from(func.row(*counts.values()))
    connection.execute(
        upsert(coverage)
        .values(dataset=name, venue=venue, session=session, **values)
        .on_conflict_do_update(index_elements=["dataset", "venue", "session"], set_=values, where=changed)
    )
    return expected


def _newest(as_of: datetime | None) -> Select[Any]:
    query = select(table).ext(distinct_on(*_KEY))
    if as_of is not None:
        query = query.where(table.c.recorded_at <= as_of)
    # The newest session first, so that a limit keeps those.
    return query.order_by(table.c.dataset_id, table.c.session.desc(), table.c.symbol, table.c.recorded_at.desc())


def _by_name(row: Row[Any], order: Sequence[str], *, only: Collection[str] | None = None) -> dict[str, int | None]:
    """A row's values by name; a field that was appended after the row was written is None in it."""
    cells = row._mapping["values"]  # noqa: SLF001 - a row has a method of that name
    padded = [*cells, *[None] * (len(order) - len(cells))]
    return {name: cell for name, cell in zip(order, padded, strict=True) if only is None or name in only}
