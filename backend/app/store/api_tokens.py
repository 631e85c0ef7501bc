"""Tokens for programs: known by a hash, so that whoever reads the table cannot use them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, delete, func, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert

from app.store.engine import if_it_can
from app.store.tables import SCOPES, api_tokens, users

__all__ = ["SCOPES", "ApiToken", "add", "find", "is_taken", "list_tokens", "living_ids", "revoke", "revoke_all_of"]

USED_EVERY = timedelta(minutes=1)
"""So long after the last time that a token was written down as used, it is again."""

_NOW = func.clock_timestamp()
_TODAY = text("(clock_timestamp() AT TIME ZONE 'Asia/Taipei')::date")
_LIVES = or_(api_tokens.c.expires_on.is_(None), api_tokens.c.expires_on >= _TODAY)
_SHOWN = [column for column in api_tokens.c if column.name != "secret_hash"]


@dataclass(frozen=True, slots=True)
class ApiToken:
    """A token without its secret; *expires_on* is the last day, in Taipei, on which it is good."""

    id: int
    name: str
    scope: str
    created_by: str
    created_at: datetime
    expires_on: date | None
    used_at: datetime | None


def add(
    connection: Connection, secret_hash: bytes, *, name: str, scope: str, created_by: str, expires_on: date | None
) -> ApiToken | None:
    """Keep a new token; None: the name is taken."""
    values = {"secret_hash": secret_hash, "name": name, "scope": scope, "expires_on": expires_on}
    added = (
        insert(api_tokens)
        .values(**values, created_by=created_by, created_at=_NOW)
        .on_conflict_do_nothing(index_elements=["name"])
        .returning(*_SHOWN)
    )
    row = connection.execute(added).one_or_none()
    return None if row is None else _token(row)


def find(connection: Connection, secret_hash: bytes) -> ApiToken | None:
    """The token of that secret, if it is still good; it is used by this."""
    mine = api_tokens.c.secret_hash == secret_hash
    row = connection.execute(select(*_SHOWN).where(mine, _LIVES)).one_or_none()
    if row is None:
        return None
    if row.used_at is None or connection.scalar(select(api_tokens.c.used_at < _NOW - USED_EVERY).where(mine)):
        with if_it_can(connection):
            connection.execute(update(api_tokens).where(mine).values(used_at=_NOW))
    return _token(row)


def is_taken(connection: Connection, name: str) -> bool:
    """Whether a token has that name, if only one that is over."""
    return connection.scalar(select(api_tokens.c.id).where(api_tokens.c.name == name)) is not None


def list_tokens(connection: Connection) -> list[ApiToken]:
    """All of them, expired ones too, the newest first."""
    rows = connection.execute(select(*_SHOWN).order_by(api_tokens.c.id.desc()))
    return [_token(row) for row in rows]


def living_ids(connection: Connection, ids: Collection[int]) -> set[int]:
    """Which of those tokens are good."""
    if not ids:
        return set()
    return set(connection.scalars(select(api_tokens.c.id).where(api_tokens.c.id.in_(ids), _LIVES)))


def revoke(connection: Connection, token_id: int) -> ApiToken | None:
    """Take a token back for ever; what it was, or None where there is none of that id."""
    row = connection.execute(delete(api_tokens).where(api_tokens.c.id == token_id).returning(*_SHOWN)).one_or_none()
    return None if row is None else _token(row)


def revoke_all_of(connection: Connection, created_by: str, *, scope: str | None = None) -> list[str]:
    """Take back the tokens that somebody made, of one scope or of any; their names.

    Those that these made go, too: a token makes none any more, but once did.
    """
    gone: list[str] = []
    makers = [created_by]
    while makers:
        statement = delete(api_tokens).where(api_tokens.c.created_by.in_(makers))
        if scope is not None:
            statement = statement.where(api_tokens.c.scope == scope)
        names = list(connection.scalars(statement.returning(api_tokens.c.name)))
        gone += names
        people = set(connection.scalars(select(users.c.name).where(users.c.name.in_(names))))
        makers = [one for one in names if one not in people]
    return sorted(gone)


def _token(row: Row[Any]) -> ApiToken:
    return ApiToken(**row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for it
