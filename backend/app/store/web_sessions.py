"""Sessions of people who logged in: known by a hash of their cookie, over by idleness, age, or a person's word."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update

from app.store.engine import if_it_can
from app.store.tables import users, web_sessions

IDLE = timedelta(hours=12)
LONGEST = timedelta(days=7)
MOST = 20
"""Of one user: with one more, the one that was not seen for longest ends."""
SEEN_EVERY = timedelta(minutes=1)
"""So long after the last time that a session was written down as seen, it is again."""

_NOW = func.clock_timestamp()
_ENDS = func.least(web_sessions.c.created_at + LONGEST, web_sessions.c.seen_at + IDLE)
_LIVES = _ENDS > _NOW
_STALE = web_sessions.c.seen_at < _NOW - SEEN_EVERY
OVER = ~_LIVES
"""Of sessions that nobody can come in with any more."""


@dataclass(frozen=True, slots=True)
class WebSession:
    """A session that lives, with its user's role of this moment."""

    id: int
    user_name: str
    role: str
    created_at: datetime
    seen_at: datetime
    expires_at: datetime
    address: str | None
    agent: str | None


_LIVING = (
    select(
        web_sessions.c.id,
        web_sessions.c.user_name,
        users.c.role,
        web_sessions.c.created_at,
        web_sessions.c.seen_at,
        _ENDS.label("expires_at"),
        web_sessions.c.address,
        web_sessions.c.agent,
    )
    .join(users, users.c.name == web_sessions.c.user_name)
    .where(_LIVES, users.c.disabled_at.is_(None))
)


def begin(
    connection: Connection, secret_hash: bytes, *, user_name: str, address: str | None, agent: str | None
) -> WebSession:
    """Begin a session; those that are over are cleared away with it, and the user's that are beyond MOST."""
    connection.execute(delete(web_sessions).where(OVER))
    values = {"secret_hash": secret_hash, "user_name": user_name, "address": address, "agent": agent}
    connection.execute(insert(web_sessions).values(**values, created_at=_NOW, seen_at=_NOW))
    own = select(web_sessions.c.id).where(web_sessions.c.user_name == user_name)
    beyond = own.order_by(web_sessions.c.seen_at.desc(), web_sessions.c.id.desc()).offset(MOST)
    connection.execute(delete(web_sessions).where(web_sessions.c.id.in_(beyond)))
    return _session(connection.execute(_LIVING.where(web_sessions.c.secret_hash == secret_hash)).one())


def find(connection: Connection, secret_hash: bytes) -> WebSession | None:
    """The living session of that cookie, which is seen by this."""
    mine = web_sessions.c.secret_hash == secret_hash
    row = connection.execute(_LIVING.add_columns(_STALE.label("stale")).where(mine)).one_or_none()
    if row is None:
        return None
    *values, stale = row
    if stale:
        with if_it_can(connection):
            connection.execute(update(web_sessions).where(mine).values(seen_at=_NOW))
    return WebSession(*values)


def list_living(connection: Connection, *, user_name: str | None = None) -> list[WebSession]:
    """Those that live, of one user or of all, the last seen first."""
    statement = _LIVING.order_by(web_sessions.c.seen_at.desc(), web_sessions.c.id)
    if user_name is not None:
        statement = statement.where(web_sessions.c.user_name == user_name)
    return [_session(row) for row in connection.execute(statement)]


def living_ids(connection: Connection, ids: Collection[int]) -> set[int]:
    """Which of those sessions live; looking so does not keep them alive."""
    if not ids:
        return set()
    return {row.id for row in connection.execute(_LIVING.where(web_sessions.c.id.in_(ids)))}


def end(connection: Connection, session_id: int) -> str | None:
    """End a session, living or over; its user's name, or None where there is none of that id."""
    return connection.scalar(
        delete(web_sessions).where(web_sessions.c.id == session_id).returning(web_sessions.c.user_name)
    )


def end_by(connection: Connection, secret_hash: bytes) -> str | None:
    """End the session of that cookie; its user's name, or None where there is none."""
    return connection.scalar(
        delete(web_sessions).where(web_sessions.c.secret_hash == secret_hash).returning(web_sessions.c.user_name)
    )


def end_all_of(connection: Connection, user_name: str, *, but: int | None = None) -> int:
    """End the user's sessions, *but* perhaps one; how many."""
    statement = delete(web_sessions).where(web_sessions.c.user_name == user_name)
    if but is not None:
        statement = statement.where(web_sessions.c.id != but)
    return connection.execute(statement).rowcount


def _session(row: Any) -> WebSession:
    return WebSession(**row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for it
