"""Users: who may come in, and as what. Instants are PostgreSQL's."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, case, func, select, text, update
from sqlalchemy.dialects.postgresql import insert

from app.store.tables import ROLES, users

__all__ = [
    "ROLES",
    "User",
    "add",
    "change",
    "count_admins",
    "find",
    "is_empty",
    "is_name",
    "list_users",
    "lock",
    "password_hash",
]

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,31}")
_NOW = func.clock_timestamp()
_SHOWN = [column for column in users.c if column.name != "password_hash"]


@dataclass(frozen=True, slots=True)
class User:
    """A person; what the password hashes to stays here."""

    name: str
    role: str
    created_at: datetime
    password_at: datetime
    disabled_at: datetime | None


def is_name(name: str) -> bool:
    """Whether a user may be called so."""
    return bool(_NAME.fullmatch(name))


def lock(connection: Connection) -> None:
    """Let nobody else change users until this transaction ends: who counts admins must not be overtaken."""
    connection.execute(text("LOCK TABLE users IN SHARE ROW EXCLUSIVE MODE"))


def is_empty(connection: Connection) -> bool:
    """Whether there never was a user."""
    return connection.scalar(select(users.c.name).limit(1)) is None


def add(connection: Connection, name: str, *, role: str, password_hash: str) -> bool:
    """Add a user; false: the name is taken."""
    added = (
        insert(users)
        .values(name=name, role=role, password_hash=password_hash, created_at=_NOW, password_at=_NOW)
        .on_conflict_do_nothing()
        .returning(users.c.name)
    )
    return connection.scalar(added) is not None


def find(connection: Connection, name: str) -> User | None:
    """The user of that name."""
    row = connection.execute(select(*_SHOWN).where(users.c.name == name)).one_or_none()
    return None if row is None else _user(row)


def list_users(connection: Connection) -> list[User]:
    """All of them by name, disabled ones too."""
    return [_user(row) for row in connection.execute(select(*_SHOWN).order_by(users.c.name))]


def count_admins(connection: Connection) -> int:
    """How many can come in and change things."""
    able = select(func.count()).select_from(users).where(users.c.role == "admin", users.c.disabled_at.is_(None))
    return connection.execute(able).scalar_one()


def password_hash(connection: Connection, name: str) -> str | None:
    """What the password hashes to, of one who may come in; None: there is no such user, or it is disabled."""
    found: str | None = connection.scalar(
        select(users.c.password_hash).where(users.c.name == name, users.c.disabled_at.is_(None))
    )
    return found


def change(
    connection: Connection,
    name: str,
    *,
    role: str | None = None,
    disabled: bool | None = None,
    password_hash: str | None = None,
) -> None:
    """Change what is given of the user."""
    values: dict[str, Any] = {} if role is None else {"role": role}
    if disabled is not None:
        # Who is disabled again was so since the first time.
        values["disabled_at"] = case((users.c.disabled_at.is_(None), _NOW), else_=users.c.disabled_at)
        if not disabled:
            values["disabled_at"] = None
    if password_hash is not None:
        values |= {"password_hash": password_hash, "password_at": _NOW}
    if values:
        connection.execute(update(users).where(users.c.name == name).values(values))


def _user(row: Row[Any]) -> User:
    return User(**row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for it
