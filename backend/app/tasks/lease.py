"""Renews the leases of the runs that this process works on: one thread, one statement for all of them."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

from loguru import logger

from app.errors import QuantLabError
from app.services.context import Lease
from app.store import leases
from app.store.engine import Engine, transaction

EVERY = leases.LEASE.total_seconds() / 4


class LeaseKeeper:
    """Knows the leases of this process. *engine* is asked for when a run lasts long enough to need a renewal."""

    def __init__(self, engine: Callable[[], Engine], *, every: float = EVERY) -> None:
        self._engine = engine
        self._every = every
        self._begin()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._held: dict[str, Lease] = {}
        self._lock = threading.Lock()
        self._some = threading.Event()
        self._thread: threading.Thread | None = None

    def hold(self, run_id: str, token: int) -> Lease:
        """Keep this lease alive until it is released."""
        if self._pid != os.getpid():
            self._begin()  # threads do not survive a fork
        lease = Lease(run_id, token)
        with self._lock:
            self._held[run_id] = lease
            if self._thread is None:
                self._thread = threading.Thread(target=self._keep, name="leases", daemon=True)
                self._thread.start()
        self._some.set()
        return lease

    def release(self, lease: Lease) -> None:
        """The attempt has ended."""
        with self._lock:
            if self._held.get(lease.run_id) is lease:
                del self._held[lease.run_id]

    def renew(self) -> None:
        """Renew all, and note which are lost and which somebody asked to cancel."""
        with self._lock:
            held = dict(self._held)
        if not held:
            return
        with transaction(self._engine()) as connection:
            alive = leases.renew(connection, {run_id: lease.token for run_id, lease in held.items()})
        for run_id, lease in held.items():
            if run_id in alive:
                lease.cancel_by = alive[run_id]
            elif self._held.get(run_id) is lease:
                lease.lost = True

    def _keep(self) -> None:
        pause = threading.Event()
        while True:
            self._some.wait()
            pause.wait(self._every)
            with self._lock:
                if not self._held:
                    self._some.clear()
                    continue
            try:
                self.renew()
            except QuantLabError as error:
                # Without renewal the lease ends, and the fence keeps what is written true.
                logger.warning("The leases of {} runs could not be renewed: {}", len(self._held), error)
            except Exception as error:
                logger.opt(exception=error).error("Renewing leases failed")
