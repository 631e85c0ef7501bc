"""What every service works with; core wires it, tests build their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from app.errors import Cancelled, GivenBack, LeaseLost
from app.files import Files, LocalFiles
from app.market.calendar import TAIPEI, TradingCalendar
from app.sources.base import Fetcher
from app.store import leases, sessions
from app.store.engine import Connection, Engine, transaction

if TYPE_CHECKING:
    import redis

Progress = Callable[[int, int, str], None]
Interrupts = tuple[type[Exception], ...]
"""What ends the whole work and not one unit of it: a time limit. Celery's own types, which only wiring knows."""


def no_progress(done: int, total: int, what: str) -> None:
    """For callers that nobody watches."""


@dataclass(slots=True)
class Lease:
    """The right of this attempt to work on a run; its keeper (``tasks/lease.py``) sets what it learns."""

    run_id: str
    token: int
    lost: bool = False
    cancel_by: str | None = None


@dataclass(frozen=True, slots=True)
class Context:
    """The servers, the exchanges, the clock, and the lease of the run for which work is done (None outside of one).

    *give_back* says why this attempt should make room now, or None.
    """

    engine: Engine
    redis: redis.Redis
    client: Fetcher
    clock: Callable[[], datetime]
    universes: Mapping[str, Sequence[str]]
    data_dir: Path
    archive: Files | None = None
    """Where raw replies are; None: in the folder ``archive`` of *data_dir*."""
    lease: Lease | None = None
    show_progress: Progress = no_progress
    interrupts: Interrupts = ()
    give_back: Callable[[], str | None] = lambda: None

    @property
    def archived(self) -> Files:
        """The files of the archive."""
        return self.archive or LocalFiles(self.data_dir / "archive")

    @property
    def run_id(self) -> str | None:
        """The run's id."""
        return None if self.lease is None else self.lease.run_id

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction for what the run writes: refused to an attempt that lost its lease.

        Raises:
            LeaseLost: another attempt has the run; nothing was written.
            StoreUnavailable: as ``transaction`` does.
        """
        with transaction(self.engine) as connection:
            if self.lease and not leases.hold(connection, self.lease.run_id, self.lease.token):
                self.lease.lost = True
                raise _lease_lost(self.lease)
            yield connection

    def progress(self, done: int, total: int, what: str) -> None:
        """Show how far the work is. A good moment to stop, unless all is done.

        Raises:
            Interruption: as ``pause_point`` does.
        """
        if done < total:
            self.pause_point()
        self.show_progress(done, total, what)

    def pause_point(self) -> None:
        """Where work can be stopped and gone on with later: between two units.

        Raises:
            Interruption: an operator cancelled it, the worker stops, fresh work waits, or the lease is lost.
        """
        if self.lease is None:
            return
        if self.lease.lost:
            raise _lease_lost(self.lease)
        if self.lease.cancel_by:
            raise Cancelled(f"{self.lease.cancel_by} cancelled it while it ran.")
        if reason := self.give_back():
            raise GivenBack(reason)

    def calendar(self) -> TradingCalendar:
        """The trading calendar with the overrides that the store holds now."""
        with transaction(self.engine) as connection:
            return sessions.trading_calendar(connection)

    def today(self) -> date:
        """Today in Taipei."""
        return self.clock().astimezone(TAIPEI).date()


def _lease_lost(lease: Lease) -> LeaseLost:
    return LeaseLost(f"Attempt {lease.token} of the run {lease.run_id} was given up for dead; another has it now.")
