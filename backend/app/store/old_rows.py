"""Rows that may go once they are old: which of each table, how many and how large, and removing some at a time.

What is not named here stays for ever: KEPT says of every other table why.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Table,
    and_,
    delete,
    func,
    literal_column,
    select,
    text,
)

from app.store import log_lines, web_sessions
from app.store.runs import LATELY
from app.store.tables import FINAL_STATES, audit, incidents, readings, runs, units
from app.store.tables import log_lines as lines
from app.store.tables import login_failures as failures
from app.store.tables import web_sessions as logins

KEPT = {
    "provenance": "whose data these are",
    "securities": "bars belong to them, also to those that left the lists",
    "bars": "the data",
    "revisions": "what the exchanges changed; without them no history can be read as it stood",
    "corporate_actions": "prices are adjusted by them",
    "halts": "they explain bars that are absent",
    "coverage": "every session accounted for",
    "datasets": "the names of the figures",
    "figures": "the data",
    "differences": "what the referee found, a row a cell",
    "sessions": "days on which the market opened or closed against the rules",
    "run_totals": "a row a task, state and duration's bucket; what was removed stays counted",
    "quarantine": "asked whenever the same row comes again: a decision would have to be made anew",
    "schedules": "what operators changed, a row a schedule",
    "heartbeats": "each program removes those of its kind that died",
    "users": "removed by an admin",
    "api_tokens": "removed by an admin",
    "log_files": "a row a log file, and removed with it",
}
"""Table → why nothing of it is pruned."""


_UNASKED = text(f"""
    runs.id NOT IN (WITH RECURSIVE asked AS (
        ((SELECT DISTINCT ON (task) id FROM runs WHERE state = 'SUCCESS' ORDER BY task, finished_at DESC, id)
         UNION ALL
         (SELECT DISTINCT ON (dataset, venue) run_id FROM units WHERE state IN ('SUCCESS', 'PARTIAL')
          ORDER BY dataset, venue, finished_at DESC, run_id)
         UNION ALL
         SELECT newest.id FROM (SELECT DISTINCT task FROM runs) AS tasks, LATERAL (
             SELECT id FROM runs AS r WHERE r.task = tasks.task ORDER BY queued_at DESC, id DESC LIMIT {LATELY}
         ) AS newest
         UNION ALL
         SELECT retry_of FROM runs WHERE retry_of IS NOT NULL AND (finished_at IS NULL OR finished_at >= :limit))
        UNION
        SELECT r.retry_of FROM runs AS r JOIN asked ON r.id = asked.id WHERE r.retry_of IS NOT NULL)
    SELECT id FROM asked)""")
"""Nobody asks for the run: it is not the last success of its task, holds no last answer of a dataset (by which promises
are judged, ``watched.committed``), is none of the task's newest that the console draws, and no run that stays does it
over (``units.succeeded_before``)."""


@dataclass(frozen=True, slots=True)
class Extent:
    """What may go: how many, their bytes (None where nobody can tell), and when the oldest and newest are from."""

    rows: int = 0
    bytes: int | None = 0
    oldest: datetime | None = None
    newest: datetime | None = None


@dataclass(frozen=True, slots=True)
class _Rule:
    """A table whose rows, as old as their instant *at*, go where *condition* (of the limits) holds."""

    table: Table
    at: Column[Any]
    condition: Callable[[Connection, datetime, int | None], ColumnElement[bool]]
    along: tuple[Table, ...] = ()
    """What goes with its rows."""


def look(connection: Connection, name: str, *, before: datetime, most: int | None = None) -> Extent:
    """What of the table may go at that limit (and beyond the newest *most*, where there is such a bound)."""
    rule = RULES[name]
    old = rule.condition(connection, before, most)
    row = connection.execute(
        select(func.count(), _size_of(rule.table), func.min(rule.at), func.max(rule.at))
        .select_from(rule.table)
        .where(old)
    ).one()
    more = 0
    if rule.along:
        theirs = select(_size_of(units)).select_from(units).where(units.c.run_id.in_(select(runs.c.id).where(old)))
        more = int(connection.scalar(theirs) or 0)
    return Extent(row[0], int(row[1]) + more, row[2], row[3])


def remove(connection: Connection, name: str, *, before: datetime, most: int | None = None, at_once: int) -> int:
    """Remove at most *at_once* of those, the oldest first; how many it were. What another has locked waits."""
    rule = RULES[name]
    key = list(rule.table.primary_key.columns)
    old = (
        select(*key)
        .where(rule.condition(connection, before, most))
        .order_by(rule.at)
        .limit(at_once)
        .with_for_update(skip_locked=True, of=rule.table)
        .cte("old")
    )
    same = and_(*(column == old.c[column.name] for column in key))
    return connection.execute(delete(rule.table).where(same)).rowcount


def _size_of(table: Table) -> ColumnElement[int]:
    whole: ColumnElement[Any] = literal_column(table.name)  # a table's name in the place of a column is its whole row
    return func.coalesce(func.sum(func.pg_column_size(whole)), 0)


def tables() -> set[str]:
    """The tables of which something is pruned."""
    return {table.name for rule in RULES.values() for table in (rule.table, *rule.along)}


def _older(at: Column[Any]) -> Callable[[Connection, datetime, int | None], ColumnElement[bool]]:
    return lambda _connection, before, _most: at < before


def _old_runs(_connection: Connection, before: datetime, _most: int | None) -> ColumnElement[bool]:
    return and_(runs.c.state.in_(FINAL_STATES), runs.c.finished_at < before, _UNASKED.bindparams(limit=before))


RULES = {
    "runs": _Rule(runs, runs.c.finished_at, _old_runs, along=(units,)),
    "incidents": _Rule(incidents, incidents.c.closed_at, _older(incidents.c.closed_at)),
    "log_lines": _Rule(lines, lines.c.at, log_lines.may_go),
    "readings": _Rule(readings, readings.c.at, _older(readings.c.at)),
    "audit": _Rule(audit, audit.c.at, _older(audit.c.at)),
    "login_failures": _Rule(failures, failures.c.failed_at, _older(failures.c.failed_at)),
    "web_sessions": _Rule(logins, logins.c.seen_at, lambda *_: web_sessions.OVER),
}
"""Table → which of its rows may go."""
