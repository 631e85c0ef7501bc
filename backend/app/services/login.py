"""Logging in and out. Who fails learns only that, after the same time, and has to wait ever longer."""

from __future__ import annotations

import math
from collections.abc import Mapping
from ipaddress import IPv6Address, ip_address, ip_network

from app.errors import TooManyAttempts, WrongLogin
from app.services import audited
from app.services.identity import Identity
from app.services.passwords import digest, hash_password, is_password, needs_rehash, new_secret
from app.store import login_failures, users, web_sessions
from app.store.engine import Connection, Engine, transaction
from app.store.web_sessions import WebSession

FREE_OF_NAME, FREE_OF_ADDRESS = 5, 20
"""Failures before a name, or an address, has to wait."""
LONGEST_AGENT = 200
NO_ADDRESS = "unknown"
"""For all who come from what is no address."""

UNKNOWN = "a name that no user has"
REFUSAL = "That name and password do not belong together."


def log_in(
    engine: Engine, name: str, password: str, *, address: str, agent: str | None, instead_of: str | None = None
) -> tuple[str, WebSession]:
    """Begin a session: the secret for its cookie, and the session.

    The secret is always a new one, and the session of a cookie that came with the request (*instead_of*) ends: nobody
    can slip a person a session that he knows himself.

    Raises:
        WrongLogin: they do not belong together, or the user is disabled or unknown: the same for all of these.
        TooManyAttempts: of that name or address too many failed; the password was not looked at.
        StoreUnavailable: PostgreSQL does not answer.
    """
    address = _written(address)
    of_name, of_address = _subjects(name, address)
    free = {of_name: FREE_OF_NAME, of_address: FREE_OF_ADDRESS}
    with transaction(engine) as connection:
        wait = login_failures.take_turn(connection, free)
        locked = login_failures.locked_for(connection, free) if wait is None else {}
    if wait is not None:
        seconds = math.ceil(wait)
        raise TooManyAttempts(f"Too many logins failed; try again in {seconds} s.", retry_after=seconds)
    with transaction(engine) as connection:
        kept = users.password_hash(connection, name) if users.is_name(name) else None
    if not is_password(password, kept) or kept is None:
        _tell_of_locks(engine, {of_name: name, of_address: address}, locked, address)
        raise WrongLogin(REFUSAL)
    better = hash_password(password) if needs_rehash(kept) else None
    secret = new_secret()
    with transaction(engine) as connection:
        users.lock(connection)
        if users.password_hash(connection, name) != kept:  # disabled, or another password, a moment ago
            raise WrongLogin(REFUSAL)
        if better is not None:
            users.change(connection, name, password_hash=better)
        login_failures.succeeded(connection, name=of_name, address=of_address, free=FREE_OF_ADDRESS)
        if instead_of is not None:
            web_sessions.end_by(connection, digest(instead_of))
        shown = None if agent is None else agent[:LONGEST_AGENT]
        session = web_sessions.begin(connection, digest(secret), user_name=name, address=address, agent=shown)
        row = audited.begin(connection, Identity(name, "viewer", "session"), "login", name)
        audited.end(connection, row, after={"address": address, "session": session.id})
    return secret, session


def _tell_of_locks(engine: Engine, shown: Mapping[str, str], locked: Mapping[str, float], address: str) -> None:
    """A row of the audit for each lock, not for each try: somebody guesses, and an admin should know where.

    What is no user's name may be a password in the wrong field, so it stands nowhere.
    """
    if not locked:
        return
    with transaction(engine) as connection:
        for subject, seconds in sorted(locked.items()):
            name = shown[subject]
            if name != address and not (users.is_name(name) and users.find(connection, name)):
                name = UNKNOWN
            row = audited.begin(connection, Identity(address or "somebody", "viewer", "session"), "login.lock", name)
            audited.end(connection, row, after={"address": address, "seconds": round(seconds)})


def log_out(engine: Engine, cookie: str) -> str | None:
    """End the session of that cookie; its user's name, or None where there was none. Raises StoreUnavailable."""
    with transaction(engine) as connection:
        name = web_sessions.end_by(connection, digest(cookie))
        if name is not None:
            row = audited.begin(connection, Identity(name, "viewer", "session"), "logout", name)
            audited.end(connection, row, after=None)
    return name


def known_password(engine: Engine, name: str, password: str, *, address: str) -> str | None:
    """What that user's password hashes to, for whoever gives it; None: it is wrong, which counts as a failed login.

    Raises:
        TooManyAttempts: of that name too many failed; the password was not looked at.
    """
    of_name = _subjects(name, "")[0]
    free = {of_name: FREE_OF_NAME}
    with transaction(engine) as connection:
        wait = login_failures.take_turn(connection, free)
        locked = login_failures.locked_for(connection, free) if wait is None else {}
        kept = users.password_hash(connection, name)
    if wait is not None:
        seconds = math.ceil(wait)
        raise TooManyAttempts(f"Too many were wrong; try again in {seconds} s.", retry_after=seconds)
    if is_password(password, kept):
        return kept
    _tell_of_locks(engine, {of_name: name}, locked, address)
    return None


def forget_failures(connection: Connection, name: str) -> None:
    """Let that name be tried again now, as after a new password."""
    login_failures.forget(connection, _subjects(name, "")[0])


def _written(address: str) -> str:
    # A proxy may pass on what a stranger told it, of any length and with anything in it.
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return NO_ADDRESS
    return str((isinstance(found, IPv6Address) and found.ipv4_mapped) or found)


def _subjects(name: str, address: str) -> tuple[str, str]:
    # Whatever a name is made of, what is kept of it is short and plain. Who has an IPv6 address has all of its /64.
    network = str(ip_network((address, 64), strict=False)) if ":" in address else address
    return f"name {digest(name).hex()}", f"address {network}"
