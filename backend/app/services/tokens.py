"""Tokens for programs: shown once, when they are made."""

from __future__ import annotations

from datetime import date

from app.errors import InvalidParameter, UnknownToken
from app.services.identity import TOKEN_PREFIX
from app.services.passwords import digest, new_secret
from app.store import api_tokens
from app.store.api_tokens import ApiToken
from app.store.engine import Engine, transaction

LONGEST_NAME = 60


def make_token(
    engine: Engine, name: str, *, scope: str, by: str, expires_on: date | None, today: date
) -> tuple[str, ApiToken]:
    """Make a token: its text, which is kept nowhere, and what is known of it.

    Raises:
        InvalidParameter: the name is taken or none, there is no such scope, or its last day is over.
    """
    name = name.strip()
    if not 0 < len(name) <= LONGEST_NAME or not name.isprintable():
        raise InvalidParameter(f"A token's name has 1 to {LONGEST_NAME} printable characters.")
    if scope not in api_tokens.SCOPES:
        raise InvalidParameter(f"There is no scope {scope[:40]!r}; there are {' and '.join(api_tokens.SCOPES)}.")
    if expires_on is not None and expires_on < today:
        raise InvalidParameter(f"expires_on is {expires_on}, which is over: it is the last day on which it is good.")
    text = TOKEN_PREFIX + new_secret()
    with transaction(engine) as connection:
        made = api_tokens.add(connection, digest(text), name=name, scope=scope, created_by=by, expires_on=expires_on)
    if made is None:
        raise InvalidParameter(f"There is a token {name!r} already; revoke it, or choose another name.")
    return text, made


def revoke_token(engine: Engine, token_id: int) -> ApiToken:
    """Take a token back for ever; what it was. Raises UnknownToken."""
    with transaction(engine) as connection:
        gone = api_tokens.revoke(connection, token_id)
    if gone is None:
        raise UnknownToken(f"There is no token {token_id}.")
    return gone
