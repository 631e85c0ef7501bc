"""Heartbeats: each program of the platform renews its row, and a canary leaves one a queue. Time is PostgreSQL's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, text
from sqlalchemy.dialects.postgresql import JSONB

CANARY = "canary"
FORGOTTEN_AFTER = 600.0
"""Seconds for which a dead program's row stands beside the living ones of its kind."""
CANARY_LOST_AFTER = 600.0
"""Seconds after which an unanswered canary is given up and the next one sent."""


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """What a program last said of itself. *age*: seconds since then; instants are aware."""

    kind: str
    name: str
    host: str
    pid: int
    started_at: datetime
    seen_at: datetime
    age: float
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Canary:
    """The last message sent through *queue* to prove the way. Ages are seconds; *latency* is of the last answer."""

    queue: str
    sent_age: float | None
    answered: bool
    latency: float | None
    worker: str | None


@dataclass(frozen=True, slots=True)
class Seen:
    """All of it at one instant. *server_age*: seconds since PostgreSQL started: before, nobody could renew."""

    programs: tuple[Heartbeat, ...]
    canaries: tuple[Canary, ...]
    server_age: float


def renew(
    connection: Connection, kind: str, name: str, *, host: str, pid: int, started: bool, facts: Mapping[str, Any]
) -> None:
    """Write the row of this program; *started*: for the first time since it began."""
    connection.execute(
        text(
            "INSERT INTO heartbeats (kind, name, host, pid, started_at, seen_at, facts) "
            "VALUES (:kind, :name, :host, :pid, clock_timestamp(), clock_timestamp(), :facts) "
            "ON CONFLICT (kind, name) DO UPDATE SET host = excluded.host, pid = excluded.pid, facts = excluded.facts, "
            "seen_at = excluded.seen_at, "
            "started_at = CASE WHEN :started THEN excluded.started_at ELSE heartbeats.started_at END"
        ).bindparams(bindparam("facts", type_=JSONB)),
        {"kind": kind, "name": name, "host": host, "pid": pid, "started": started, "facts": dict(facts)},
    )
    # The one that writes lives, so a sibling that has been silent for so long was replaced, or is not missed.
    connection.execute(
        text("DELETE FROM heartbeats WHERE kind = :kind AND seen_at < now() - make_interval(secs => :age)"),
        {"kind": kind, "age": FORGOTTEN_AFTER},
    )


def remove(connection: Connection, kind: str, name: str, *, pid: int) -> None:
    """It ended in good order; a successor's row of the same name stays."""
    connection.execute(
        text("DELETE FROM heartbeats WHERE kind = :kind AND name = :name AND pid = :pid"),
        {"kind": kind, "name": name, "pid": pid},
    )


def forget_all(connection: Connection) -> None:
    """They are another platform's; a program that lives writes its row again within seconds."""
    connection.execute(text("DELETE FROM heartbeats"))


def look(connection: Connection) -> Seen:
    """Everything that there is."""
    rows = connection.execute(
        text(
            "SELECT kind, name, host, pid, started_at, seen_at, facts, "
            "extract(epoch FROM clock_timestamp() - seen_at)::float8 AS age, "
            "extract(epoch FROM clock_timestamp() - (facts->>'sent_at')::timestamptz)::float8 AS sent_age, "
            "extract(epoch FROM clock_timestamp() - pg_postmaster_start_time())::float8 AS server_age "
            "FROM heartbeats ORDER BY kind, name"
        )
    ).mappings()
    programs, canaries, server_age = [], [], 0.0
    for row in rows:
        columns = dict(row)
        server_age, sent_age = columns.pop("server_age"), columns.pop("sent_age")
        if columns["kind"] == CANARY:
            facts = columns["facts"]
            answered = facts.get("answered") == facts.get("number")
            canaries.append(Canary(columns["name"], sent_age, answered, facts.get("latency"), facts.get("worker")))
        else:
            programs.append(Heartbeat(**columns))
    return Seen(tuple(programs), tuple(canaries), server_age)


def claim_canary(connection: Connection, queue: str, *, host: str, pid: int, every: float, lost: bool) -> int | None:
    """The number of the canary that the caller is to send through *queue* now; None while it is not yet time.

    It is time *every* so many seconds, if the last one was answered, is *lost* (its queue is empty), or was given up.
    """
    number: int | None = connection.scalar(
        text(
            "INSERT INTO heartbeats AS h (kind, name, host, pid, started_at, seen_at, facts) VALUES "
            "(:kind, :queue, :host, :pid, clock_timestamp(), clock_timestamp(), "
            "jsonb_build_object('number', 1, 'sent_at', clock_timestamp())) "
            "ON CONFLICT (kind, name) DO UPDATE SET host = excluded.host, pid = excluded.pid, "
            "seen_at = excluded.seen_at, "
            "facts = h.facts || jsonb_build_object('number', (h.facts->>'number')::bigint + 1, "
            "'sent_at', clock_timestamp()) "
            "WHERE h.facts->>'sent_at' IS NULL "
            "OR (h.facts->>'sent_at')::timestamptz < clock_timestamp() - make_interval(secs => CASE "
            "WHEN h.facts->'answered' = h.facts->'number' OR :lost THEN :every ELSE :given_up END) "
            "RETURNING (h.facts->>'number')::bigint"
        ),
        {
            "kind": CANARY,
            "queue": queue,
            "host": host,
            "pid": pid,
            "every": every,
            "lost": lost,
            "given_up": CANARY_LOST_AFTER,
        },
    )
    return number


def withdraw_canary(connection: Connection, queue: str, number: int) -> None:
    """It could not be sent, so nobody can answer it: the next one need not wait."""
    connection.execute(
        text(
            "UPDATE heartbeats SET facts = facts || jsonb_build_object('sent_at', NULL) "
            "WHERE kind = :kind AND name = :queue AND (facts->>'number')::bigint = :number"
        ),
        {"kind": CANARY, "queue": queue, "number": number},
    )


def answer_canary(connection: Connection, queue: str, number: int, *, worker: str) -> float | None:
    """It arrived: the seconds that it took; None when it is not the last one sent, which is of no interest."""
    latency: float | None = connection.scalar(
        text(
            "UPDATE heartbeats SET seen_at = clock_timestamp(), facts = facts || jsonb_build_object("
            "'answered', CAST(:number AS bigint), 'worker', CAST(:worker AS text), 'latency', "
            "round(extract(epoch FROM clock_timestamp() - (facts->>'sent_at')::timestamptz), 3)) "
            "WHERE kind = :kind AND name = :queue AND (facts->>'number')::bigint = :number "
            "AND facts->'answered' IS DISTINCT FROM facts->'number' AND facts->>'sent_at' IS NOT NULL "
            "RETURNING (facts->>'latency')::float8"
        ),
        {"kind": CANARY, "queue": queue, "number": number, "worker": worker},
    )
    return latency
