"""What the rules of ops/alerts look at, each one query: what is held, how tasks ended, what waits."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, Row, text

from app.market.security import Venue
from app.store.sessions import closed_sql

_FRESH = 5
"""The priority from which work counts as fresh; below it is backfill, which may wait."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """Of a venue's session: how many bars are held, of how many securities listed then."""

    held: int
    listed: int
    said_closed: bool
    """The venue did not trade, by its own word; see ``sessions.closed_sql``."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run of a task ended: SUCCESS, PARTIAL, FAILED or LOST, with its sentence."""

    run_id: str
    state: str
    finished_at: datetime
    sentence: str | None


@dataclass(frozen=True, slots=True)
class CanaryState:
    """Of the messages that prove the way through *queue*: seconds since the last was sent, and how many are unanswered.

    *sent* is None when the last one could not even be sent.
    """

    queue: str
    sent: float | None
    unanswered: int


@dataclass(frozen=True, slots=True)
class Backlog:
    """Fresh runs of *queue* that wait for a worker, and since how many seconds the first of them does."""

    queue: str
    waiting: int
    seconds: float


@dataclass(frozen=True, slots=True)
class SetAside:
    """Rows of a venue's dataset and session that wait in quarantine, beside the *held* bars of that session."""

    venue: Venue
    dataset: str
    session: date
    rows: int
    held: int
    symbols: frozenset[str] = frozenset()
    """Of whom the rows are, as far as they name somebody."""


def coverage(connection: Connection, venue: Venue, sessions: Collection[date]) -> dict[date, Coverage]:
    """Session → what is held of it; each of *sessions* is in the answer."""
    query = text(f"""
        SELECT day,
            (SELECT count(*) FROM bars b JOIN securities s ON s.id = b.security_id
              WHERE b.session = day AND s.venue = :venue) AS held,
            (SELECT count(*) FROM securities
              WHERE venue = :venue AND (on_list OR delisted_on IS NOT NULL)
                AND (listed_on IS NULL OR listed_on <= day) AND (delisted_on IS NULL OR delisted_on > day)) AS listed,
            {closed_sql("day", ":venue")} AS said_closed
        FROM unnest(CAST(:days AS date[])) AS day""")
    rows = connection.execute(query, {"venue": venue.value, "days": sorted(sessions)})
    return {row.day: Coverage(row.held, row.listed, row.said_closed) for row in rows}


def figures_held(connection: Connection, dataset: str, venue: Venue, sessions: Collection[date]) -> dict[date, int]:
    """Session → rows of *dataset* that are held of it; a session without any is not in the answer."""
    query = text(
        "SELECT session, held FROM coverage "
        "WHERE dataset = :dataset AND venue = :venue AND session = ANY(CAST(:days AS date[])) AND held > 0"
    )
    rows = connection.execute(query, {"dataset": dataset, "venue": venue.value, "days": sorted(sessions)})
    return {row.session: row.held for row in rows}


def lists_committed(connection: Connection) -> dict[Venue, datetime]:
    """Venue → when its newest securities list was committed."""
    return committed(connection, "securities")


def committed(connection: Connection, dataset: str) -> dict[Venue, datetime]:
    """Venue → when its newest answer of *dataset* was committed.

    From the units: such a row is written in the transaction of the data themselves, which change nothing on most
    days and so leave no other trace.
    """
    query = text(
        "SELECT venue, max(finished_at) AS at FROM units "
        "WHERE dataset = :dataset AND state IN ('SUCCESS', 'PARTIAL') GROUP BY venue"
    )
    return {Venue(row.venue): row.at for row in connection.execute(query, {"dataset": dataset})}


def last_endings(connection: Connection, *, since: datetime, each: int = 3) -> dict[str, list[Ending]]:
    """Task → its last *each* runs that did or tried something, the newest first; of runs wished for *since* then.

    What was skipped or cancelled tells nothing of the task's health, nor does what somebody asked for in a wrong way.
    """
    query = text("""
        WITH RECURSIVE tasks AS (
            (SELECT task FROM runs ORDER BY task LIMIT 1)
            UNION ALL
            SELECT (SELECT r.task FROM runs r WHERE r.task > tasks.task ORDER BY r.task LIMIT 1)
            FROM tasks WHERE tasks.task IS NOT NULL)
        SELECT tasks.task, last.* FROM tasks, LATERAL (
            SELECT id, state, finished_at, coalesce(error, reason) AS sentence FROM runs r
            WHERE r.task = tasks.task AND r.queued_at >= :since
              AND r.state IN ('SUCCESS', 'PARTIAL', 'FAILED', 'LOST')
              AND NOT (r.trigger <> 'schedule' AND coalesce(r.error_type = 'InvalidParameter', false))
            ORDER BY r.queued_at DESC LIMIT :each) AS last
        WHERE tasks.task IS NOT NULL""")
    endings: dict[str, list[Ending]] = {}
    for row in connection.execute(query, {"since": since, "each": each}):
        endings.setdefault(row.task, []).append(Ending(row.id, row.state, row.finished_at, row.sentence))
    return endings


def canaries(connection: Connection) -> list[CanaryState]:
    """How it stands with the canaries of the queues that have one."""
    query = text("""
        SELECT name, extract(epoch FROM clock_timestamp() - (facts->>'sent_at')::timestamptz)::float8 AS sent,
            (facts->>'number')::bigint - coalesce((facts->>'answered')::bigint, 0) AS unanswered
        FROM heartbeats WHERE kind = 'canary' ORDER BY name""")
    return [CanaryState(row.name, row.sent, row.unanswered) for row in connection.execute(query)]


def backlogs(connection: Connection) -> list[Backlog]:
    """Queues in which fresh runs wait that are due. A run that was begun before waits since it was sent again."""
    query = text("""
        SELECT coalesce(queue, 'data_sync') AS queue, count(*) AS waiting,
            extract(epoch FROM clock_timestamp() - min(
                CASE WHEN attempts = 0 THEN greatest(queued_at, run_after)
                     ELSE coalesce(sent_at, greatest(queued_at, run_after)) END)) AS seconds
        FROM runs
        WHERE state IN ('QUEUED', 'RETRY') AND coalesce(priority, :fresh) >= :fresh
          AND (run_after IS NULL OR run_after <= clock_timestamp())
        GROUP BY 1 ORDER BY 1""")
    return [Backlog(row.queue, row.waiting, float(row.seconds)) for row in connection.execute(query, {"fresh": _FRESH})]


def set_aside_of_last_session(connection: Connection) -> list[SetAside]:
    """What waits in quarantine of the newest session of which bars are held, by venue and dataset."""
    query = text("""
        WITH last AS (SELECT session FROM bars ORDER BY session DESC LIMIT 1)
        SELECT q.venue, q.dataset, q.session, count(DISTINCT coalesce(q.symbol, q.id::text)) AS rows,
            array_remove(array_agg(DISTINCT q.symbol), NULL) AS symbols,
            (SELECT count(*) FROM bars b JOIN securities s ON s.id = b.security_id
              WHERE b.session = q.session AND s.venue = q.venue) AS held
        FROM quarantine q JOIN last ON q.session = last.session
        WHERE q.released_at IS NULL AND q.severity = 'blocking'
        GROUP BY q.venue, q.dataset, q.session ORDER BY q.venue, q.dataset""")
    return [_set_aside(row) for row in connection.execute(query)]


def _set_aside(row: Row[Any]) -> SetAside:
    symbols: frozenset[str] = frozenset(row.symbols)
    return SetAside(Venue(row.venue), row.dataset, row.session, row.rows, row.held, symbols)
