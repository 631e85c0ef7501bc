"""Who asks: a person by the cookie of a session, a program by its token, or whoever has the admin token."""

from __future__ import annotations

import getpass
import os
import secrets
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Literal

from app.errors import NotAuthorised, storable
from app.market.calendar import TAIPEI
from app.services.passwords import digest
from app.store import api_tokens, web_sessions
from app.store.engine import Connection, Engine, transaction

TOKEN_PREFIX = "ql_"  # noqa: S105 - what our tokens begin with, so that scanners of secrets know them
ADMIN_TOKEN = "admin-token"  # noqa: S105 - a name

Role = Literal["viewer", "admin"]
Via = Literal["session", "token", "admin-token", "cli"]


@dataclass(frozen=True, slots=True)
class Identity:
    """Somebody: a name, what it may do, how it came, and under which id it can be told to go."""

    name: str
    role: Role
    via: Via
    id: int | None = None
    expires_at: datetime | None = None

    @property
    def is_admin(self) -> bool:
        """Whether it may change things."""
        return self.role == "admin"


def local_user() -> str:
    """Who runs this program, by the operating system; a number where it has no name for him, as in many a container."""
    try:
        return storable(getpass.getuser())
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def operator(name: str) -> Identity:
    """Who works on this machine's command line, by the name that the operating system has for him."""
    return Identity(name, "admin", "cli")


def by_session(engine: Engine, cookie: str) -> Identity | None:
    """Who has that cookie; None when no living session has. Raises StoreUnavailable."""
    with transaction(engine) as connection:
        found = web_sessions.find(connection, digest(cookie))
    if found is None:
        return None
    role: Role = "admin" if found.role == "admin" else "viewer"
    return Identity(found.user_name, role, "session", found.id, found.expires_at)


def by_token(engine: Callable[[], Engine], token: str, *, admin_token: Callable[[], str]) -> Identity:
    """Who has that token. Both servers and settings are only asked where it takes them.

    Raises:
        NotAuthorised: nobody has it.
        ConfigurationError: no admin token is set up.
        StoreUnavailable: PostgreSQL, which keeps the others, does not answer.
    """
    if token.startswith(TOKEN_PREFIX):
        with transaction(engine()) as connection:
            found = api_tokens.find(connection, digest(token))
        if found is not None:
            ends = None
            if found.expires_on is not None and found.expires_on < date.max:  # which has no day after it
                ends = datetime.combine(found.expires_on + timedelta(days=1), time(), TAIPEI)
            return Identity(found.name, "admin" if found.scope == "admin" else "viewer", "token", found.id, ends)
        raise NotAuthorised("This token is wrong, expired or revoked; an admin makes new ones.")
    # As bytes and in constant time: how long it takes tells nothing of how much was right.
    if secrets.compare_digest(token.encode(), admin_token().encode()):
        return Identity(ADMIN_TOKEN, "admin", "admin-token")
    raise NotAuthorised("The admin token is wrong; `quantlab token` prints the right one.")


def still_there(connection: Connection, identities: Collection[Identity]) -> set[Identity]:
    """Those whose session or token is still good; looking so keeps none alive."""
    sessions = web_sessions.living_ids(connection, [one.id for one in identities if one.via == "session" and one.id])
    tokens = api_tokens.living_ids(connection, [one.id for one in identities if one.via == "token" and one.id])
    living = {"session": sessions, "token": tokens}
    return {one for one in identities if one.via not in living or one.id in living[one.via]}
