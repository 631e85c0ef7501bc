"""Users: adding, changing, disabling. There is always an admin who can come in, once there was one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from app.errors import InvalidParameter, LastAdmin, UnknownUser
from app.services import audited, login
from app.services.identity import ADMIN_TOKEN, Identity
from app.services.passwords import check_new, hash_password, new_password
from app.store import api_tokens, users, web_sessions
from app.store.engine import Connection, Engine, transaction
from app.store.users import User

FIRST = "admin"
"""The name of the user whom ``quantlab up`` makes."""


@dataclass(frozen=True, slots=True)
class Changed:
    """A user *before* a change and *after* it, and the names of the tokens that were revoked by it."""

    before: User
    after: User
    revoked: Sequence[str]


def first_admin(engine: Engine, *, by: Identity) -> str | None:
    """Where there never was a user, make FIRST; the generated password, which is kept nowhere. None: there was one."""
    password = new_password()
    kept = hash_password(password)
    with transaction(engine) as connection:
        users.lock(connection)
        if not users.is_empty(connection):
            return None
        users.add(connection, FIRST, role="admin", password_hash=kept)
        row = audited.begin(connection, by, "user.add", FIRST)
        audited.end(connection, row, after={"role": "admin"})
    return password


def add_user(engine: Engine, name: str, *, role: str, password: str) -> User:
    """Add a user.

    Raises:
        InvalidParameter: the name is taken or makes no name, there is no such role, or the password is too short.
    """
    if not users.is_name(name):
        raise InvalidParameter(
            f"{name[:40]!r} is no user name: up to 32 of a-z, 0-9, dot, dash and underscore, a letter or digit first."
        )
    _check_role(role)
    check_new(password)
    kept = hash_password(password)
    with transaction(engine) as connection:
        users.lock(connection)
        if name == ADMIN_TOKEN or api_tokens.is_taken(connection, name):
            raise InvalidParameter(f"{name!r} is a token's name: what it does would seem done by this user.")
        if not users.add(connection, name, role=role, password_hash=kept):
            raise InvalidParameter(f"There is a user {name!r} already.")
        return get(connection, name)


def change_user(
    engine: Engine,
    name: str,
    *,
    role: str | None = None,
    disabled: bool | None = None,
    password: str | None = None,
    but: int | None = None,
    instead_of: str | None = None,
) -> Changed:
    """Change what is given.

    A disabled user's sessions end and the tokens that he made are revoked; with a new password, set only while the old
    one hashes to *instead_of* where that is given, all sessions end *but* perhaps one, the changer's own; who becomes
    a viewer loses the tokens that can change things.

    Raises:
        UnknownUser: there is none of that name.
        LastAdmin: nobody could change anything any more; nothing was changed.
        InvalidParameter: there is no such role, the password is too short, or another was set meanwhile.
    """
    if role is not None:
        _check_role(role)
    kept = None
    if password is not None:
        check_new(password)
        kept = hash_password(password)
    with transaction(engine) as connection:
        users.lock(connection)
        before = get(connection, name)
        if instead_of is not None and users.password_hash(connection, name) != instead_of:
            raise InvalidParameter(f"Somebody else has just changed the password of {name}.")
        users.change(connection, name, role=role, disabled=disabled, password_hash=kept)
        if not users.count_admins(connection) and before.role == "admin" and before.disabled_at is None:
            raise LastAdmin(f"{name} is the last admin: make another user one before, or nobody could change anything.")
        revoked: list[str] = []
        if disabled:
            web_sessions.end_all_of(connection, name)
            revoked += api_tokens.revoke_all_of(connection, name)
        elif kept is not None:
            web_sessions.end_all_of(connection, name, but=but)
        if kept is not None:
            login.forget_failures(connection, name)
        if role == "viewer":
            revoked += api_tokens.revoke_all_of(connection, name, scope="admin")
        return Changed(before, get(connection, name), revoked)


def facts(user: User, *, password: bool = False, revoked: Sequence[str] = ()) -> dict[str, Any]:
    """What the audit says of a user; of a new password, that there is one, and of tokens, which were revoked."""
    told: dict[str, Any] = {"role": user.role, "disabled": user.disabled_at is not None}
    return told | ({"password": "changed"} if password else {}) | ({"revoked": list(revoked)} if revoked else {})


def get(connection: Connection, name: str) -> User:
    """The user of that name. Raises UnknownUser."""
    found = users.find(connection, name)
    if found is None:
        raise UnknownUser(f"There is no user {name[:40]!r}.")
    return found


def _check_role(role: str) -> None:
    if role not in users.ROLES:
        raise InvalidParameter(f"There is no role {role[:40]!r}; there are {' and '.join(users.ROLES)}.")
