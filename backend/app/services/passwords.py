"""Passwords: argon2id, the same work whether or not there is something to compare with; and random secrets."""

from __future__ import annotations

import hashlib
import secrets
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError

from app.errors import InvalidParameter, TooManyAttempts

SHORTEST, LONGEST = 10, 200
"""Characters of a password."""
AT_ONCE = 2
"""Hashes that are computed at the same time; each takes 19 MiB and tens of milliseconds."""
PLACES = 8
"""Logins that are looked at or wait for it; whoever is one more is sent away at once."""

# OWASP's first choice of parameters; the library's own take 64 MiB and four threads.
_hasher = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
# Threads of their own: the allocator keeps those 19 MiB for each thread that ever hashed, so it must not be any thread.
_hashing = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="passwords")
_places = threading.BoundedSemaphore(PLACES)
_nobody: str | None = None


def check_new(password: str) -> None:
    """Raise InvalidParameter for what cannot become a password."""
    if not SHORTEST <= len(password) <= LONGEST or not password.isprintable():
        raise InvalidParameter(f"A password has {SHORTEST} to {LONGEST} printable characters.")


@contextmanager
def place() -> Iterator[None]:
    """For whoever is not known yet and wants a password looked at: most threads stay free for others.

    Raises:
        TooManyAttempts: too many are at it.
    """
    if not _places.acquire(blocking=False):
        raise TooManyAttempts("Too many log in at this moment; try again in 1 s.", retry_after=1)
    try:
        yield
    finally:
        _places.release()


def hash_password(password: str) -> str:
    """What to keep of a password; takes a while on purpose."""
    return _hashing.submit(_hasher.hash, password).result()


def is_password(password: str, kept: str | None) -> bool:
    """Whether *password* is the one of which *kept* is held; None takes as long and is never right."""
    return _hashing.submit(_is_password, password, kept).result()


def needs_rehash(kept: str) -> bool:
    """Whether it was made with parameters that are not ours any more."""
    return _hasher.check_needs_rehash(kept)


def new_password() -> str:
    """A password that a person can type: 100 bits, without letters that look alike."""
    letters = "abcdefghjkmnpqrstuvwxyz23456789"
    return "-".join("".join(secrets.choice(letters) for _ in range(5)) for _ in range(4))


def new_secret() -> str:
    """256 random bits, URL-safe."""
    return secrets.token_urlsafe(32)


def digest(secret: str) -> bytes:
    """By which a random secret is known to the store."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


def _is_password(password: str, kept: str | None) -> bool:
    try:
        secret = password.encode("utf-8", "surrogatepass")
        return _hasher.verify(_of_nobody() if kept is None else kept, secret) and kept is not None
    except VerifyMismatchError:
        return False
    except (VerificationError, InvalidHashError):  # neither its owner nor anybody else comes in with that
        return False


def _of_nobody() -> str:
    global _nobody  # noqa: PLW0603 - made once, at first need
    if _nobody is None:
        _nobody = _hasher.hash(new_secret())
    return _nobody
