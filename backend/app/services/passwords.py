"""Passwords: argon2id, the same work whether or not there is something to compare with; and random secrets."""

from __future__ import annotations

import hashlib
import secrets
import threading

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError

from app.errors import InvalidParameter, StoreUnavailable

SHORTEST, LONGEST = 10, 200
"""Characters of a password."""
AT_ONCE = 2
"""Hashes that are computed at the same time; each takes 19 MiB and tens of milliseconds."""
WAIT = 5.0
"""Seconds that a caller waits for its turn."""

# OWASP's first choice of parameters; the library's own take 64 MiB and four threads.
_hasher = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
_turns = threading.BoundedSemaphore(AT_ONCE)
_nobody: str | None = None


def check_new(password: str) -> None:
    """Raise InvalidParameter for what cannot become a password."""
    if not SHORTEST <= len(password) <= LONGEST or not password.isprintable():
        raise InvalidParameter(f"A password has {SHORTEST} to {LONGEST} printable characters.")


def hash_password(password: str) -> str:
    """What to keep of a password; takes a while on purpose. Raises StoreUnavailable while too many are at it."""
    with _Turn():
        return _hasher.hash(password)


def is_password(password: str, kept: str | None) -> bool:
    """Whether *password* is the one of which *kept* is held; None takes as long and is never right."""
    with _Turn():
        try:
            secret = password.encode("utf-8", "surrogatepass")
            return _hasher.verify(_of_nobody() if kept is None else kept, secret) and kept is not None
        except VerifyMismatchError:
            return False
        except (VerificationError, InvalidHashError):  # neither its owner nor anybody else comes in with that
            return False


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


class _Turn:
    def __enter__(self) -> None:
        if not _turns.acquire(timeout=WAIT):
            raise StoreUnavailable("Too many passwords are being checked; try again in some seconds.")

    def __exit__(self, *_: object) -> None:
        _turns.release()


def _of_nobody() -> str:
    global _nobody  # noqa: PLW0603 - made once, at first need
    if _nobody is None:
        _nobody = _hasher.hash(new_secret())
    return _nobody
