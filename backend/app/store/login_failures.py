"""Failed logins, by name and by address: how often, and until when no more are looked at. Kept over restarts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from sqlalchemy import Connection, case, delete, func, select, text, update

from app.store.tables import login_failures

FORGOTTEN_AFTER = timedelta(days=1)
FIRST_LOCK, LONGEST_LOCK = 2.0, 900.0
"""Seconds for which a subject is locked when its free failures are used up: twice as long each time."""

_NOW = func.clock_timestamp()

_COUNT = text(
    "INSERT INTO login_failures AS f (subject, failures, failed_at, locked_until) "
    "VALUES (:subject, 1, clock_timestamp(), clock_timestamp()) "
    "ON CONFLICT (subject) DO UPDATE SET failures = f.failures + 1, failed_at = clock_timestamp(), "
    # least() first: a power of two of some thousand failures is no number any more.
    "locked_until = clock_timestamp() + CASE WHEN f.failures + 1 < :free THEN interval '0' ELSE make_interval("
    "secs => least(:longest, :first * power(2, least(f.failures + 1 - :free, 30)))) END"
)


def take_turn(connection: Connection, free: Mapping[str, int]) -> float | None:
    """Take a turn to try a password, which counts as a failure until ``succeeded`` says otherwise.

    So a thousand at once get no more tries than a thousand one after the other.

    Args:
        connection: of a transaction that holds the subjects' rows until it ends.
        free: subject → its failures before it is locked.

    Returns:
        None: it may be tried. Else the seconds to wait, and no turn was taken.
    """
    connection.execute(delete(login_failures).where(login_failures.c.failed_at < _NOW - FORGOTTEN_AFTER))
    # In one order for all, so that nobody waits for another who waits for him.
    for subject in sorted(free):
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:subject, 5))"), {"subject": subject})
    wait: float | None = connection.scalar(
        select(func.max(func.extract("epoch", login_failures.c.locked_until - _NOW))).where(
            login_failures.c.subject.in_(list(free))
        )
    )
    if wait is not None and wait > 0:
        return float(wait)
    for subject in sorted(free):
        values = {"subject": subject, "free": free[subject], "first": FIRST_LOCK, "longest": LONGEST_LOCK}
        connection.execute(_COUNT, values)
    return None


def locked_for(connection: Connection, free: Mapping[str, int]) -> dict[str, float]:
    """Subject → seconds of the lock that the turn just taken began, in its transaction; those that it locked only."""
    rows = connection.execute(
        select(
            login_failures.c.subject,
            login_failures.c.failures,
            func.extract("epoch", login_failures.c.locked_until - login_failures.c.failed_at),
        ).where(login_failures.c.subject.in_(list(free)))
    )
    return {subject: float(seconds) for subject, failures, seconds in rows if failures >= free[subject]}


def succeeded(connection: Connection, *, name: str, address: str, free: int) -> None:
    """The password was right: the name's failures are forgotten, and the address gets its turn back, no more.

    Else whoever has one account could try those of others for ever from his address, whose *free* failures these are.
    """
    connection.execute(delete(login_failures).where(login_failures.c.subject == name))
    fewer = func.greatest(login_failures.c.failures - 1, 0)
    unlocked = case((fewer < free, _NOW), else_=login_failures.c.locked_until)
    connection.execute(
        update(login_failures).where(login_failures.c.subject == address).values(failures=fewer, locked_until=unlocked)
    )


def forget(connection: Connection, subject: str) -> None:
    """Let it be tried again now."""
    connection.execute(delete(login_failures).where(login_failures.c.subject == subject))
