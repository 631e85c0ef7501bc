"""Tokens for programs: shown once, when they are made."""

from __future__ import annotations

from datetime import date

from app.errors import InvalidParameter, NotAllowed, UnknownToken
from app.services.identity import ADMIN_TOKEN, TOKEN_PREFIX, Identity
from app.services.passwords import digest, new_secret
from app.store import api_tokens, users
from app.store.api_tokens import ApiToken
from app.store.engine import Connection, Engine, transaction

LONGEST_NAME = 60
MOST_YEARS = 100
"""To the last day on which a token is good: later days are slips, and the last of all has no day after it."""


def make_token(
    engine: Engine, name: str, *, scope: str, by: Identity, expires_on: date | None, today: date
) -> tuple[str, ApiToken]:
    """Make a token: its text, which is kept nowhere, and what is known of it.

    It belongs to whom made it and ends with him; so a token makes none, whose owner nobody would know.

    Raises:
        InvalidParameter: the name is taken or none, there is no such scope, or its last day is over or too far off.
        NotAllowed: a token asks, or a user who may not any more.
    """
    if by.via == "token":
        raise NotAllowed("A token makes no tokens: log in as an admin, or use `quantlab tokens make`.")
    name = name.strip()
    if not 0 < len(name) <= LONGEST_NAME or not name.isprintable():
        raise InvalidParameter(f"A token's name has 1 to {LONGEST_NAME} printable characters.")
    if scope not in api_tokens.SCOPES:
        raise InvalidParameter(f"There is no scope {scope[:40]!r}; there are {' and '.join(api_tokens.SCOPES)}.")
    if expires_on is not None and expires_on < today:
        raise InvalidParameter(f"expires_on is {expires_on}, which is over: it is the last day on which it is good.")
    if expires_on is not None and expires_on.year > today.year + MOST_YEARS:
        raise InvalidParameter(
            f"expires_on is {expires_on}: at most {MOST_YEARS} years ahead; leave it out for a token without an end."
        )
    text = TOKEN_PREFIX + new_secret()
    with transaction(engine) as connection:
        users.lock(connection)  # nobody is disabled, made a viewer, or added meanwhile
        if by.via == "session":
            _check_owner(connection, by.name)
        if name == ADMIN_TOKEN or users.find(connection, name) is not None:
            raise InvalidParameter(
                f"{name!r} is somebody else's name: what the token does would seem done by that one."
            )
        made = api_tokens.add(
            connection, digest(text), name=name, scope=scope, created_by=by.name, expires_on=expires_on
        )
    if made is None:
        raise InvalidParameter(f"There is a token {name!r} already; revoke it, or choose another name.")
    return text, made


def _check_owner(connection: Connection, name: str) -> None:
    owner = users.find(connection, name)
    if owner is None or owner.role != "admin" or owner.disabled_at is not None:
        raise NotAllowed(f"{name} may not make tokens any more.")


def revoke_token(engine: Engine, token_id: int) -> ApiToken:
    """Take a token back for ever; what it was. Raises UnknownToken."""
    with transaction(engine) as connection:
        gone = api_tokens.revoke(connection, token_id)
    if gone is None:
        raise UnknownToken(f"There is no token {token_id}.")
    return gone
