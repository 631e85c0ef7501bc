"""A connection on which no call waits for ever: libpq itself notices a peer that is gone, not one that is frozen."""

from __future__ import annotations

from time import monotonic
from typing import Any, TypeVar

import psycopg
from psycopg import errors
from psycopg.abc import PQGen

_T = TypeVar("_T")


class BoundedConnection(psycopg.Connection[Any]):
    """psycopg's connection; every exchange with the server ends within *patience* seconds, or the connection does.

    TCP's own time-outs do not help: for a stopped process its kernel still acknowledges what it is sent.
    """

    patience: float = 60.0
    answered_at: float = float("-inf")
    """When the server last answered, by ``time.monotonic``."""

    def wait(self, gen: PQGen[_T], interval: float = 0.1, timeout: float | None = None) -> _T:
        """As psycopg's. Raises OperationalError, with the connection closed, when the server stays silent."""
        patience = self.patience if timeout is None else timeout
        try:
            answer = super().wait(gen, interval, patience)
        except errors._WaitTimeout:  # noqa: SLF001 - psycopg raises it here; it has no public name
            # What the server made of it is unknown; whoever comes next must not read the late answer.
            self.pgconn.finish()
            message = f"the server did not answer within {patience:g} s"
            raise psycopg.OperationalError(message) from None
        self.answered_at = monotonic()
        return answer

    def ping(self, *, within: float, unless_within: float = 0.0) -> None:
        """Ask for an answer, unless the last one is no older than *unless_within* seconds.

        Raises psycopg.Error when none comes *within* so many seconds.
        """
        if not self.closed and monotonic() - self.answered_at < unless_within:
            return
        kept, self.patience = self.patience, within
        autocommit = self.autocommit
        try:
            self.autocommit = True
            self.execute("")
            self.autocommit = autocommit
        finally:
            self.patience = kept
