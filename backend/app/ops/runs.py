"""The run ledger: what was asked for, what ran, what it wrote and why it failed. Unlike Flower's, it stays."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from loguru import logger

from app.errors import StoreUnavailable
from app.store import runs
from app.store.counts import Counts
from app.store.engine import Engine, transaction
from app.store.runs import Run

_LONGEST_TEXT = 20_000
"""Characters of an error or traceback that are kept; the end of it tells the most."""


class RunLedger:
    """Each call is one short transaction. *clock* gives the aware instant."""

    def __init__(self, engine: Engine, *, clock: Callable[[], datetime]) -> None:
        self._engine = engine
        self._clock = clock

    def queued(self, run_id: str, *, task: str, parameters: Mapping[str, Any], trigger: str) -> None:
        """Write down a wish to run, before its message is sent."""
        with transaction(self._engine) as connection:
            runs.queue(connection, run_id, task=task, parameters=parameters, trigger=trigger, at=self._clock())

    def started(
        self, run_id: str, *, task: str, parameters: Mapping[str, Any], trigger: str, worker: str | None
    ) -> Run:
        """Begin an attempt; the run tells whether it had ended before (then there is nothing to do)."""
        with transaction(self._engine) as connection:
            return runs.start(
                connection,
                run_id,
                task=task,
                parameters=parameters,
                trigger=trigger,
                worker=worker,
                at=self._clock(),
            )

    def will_retry(self, run_id: str, *, error: BaseException) -> None:
        """This attempt failed, another follows."""
        with transaction(self._engine) as connection:
            runs.retry(connection, run_id, reason=str(error)[:_LONGEST_TEXT], error_type=type(error).__name__)

    def finished(self, run_id: str, *, state: str, reason: str | None = None, counts: Counts | None = None) -> None:
        """End a run that did not fail."""
        with transaction(self._engine) as connection:
            runs.finish(connection, run_id, state=state, reason=reason, counts=counts, at=self._clock())

    def failed(self, run_id: str, *, error: BaseException, traceback: str | None) -> bool:
        """End a run as FAILED. False: it has ended already, and stays as it is."""
        with transaction(self._engine) as connection:
            return runs.finish(
                connection,
                run_id,
                state="FAILED",
                error_type=type(error).__name__,
                error=str(error)[:_LONGEST_TEXT],
                traceback=None if traceback is None else traceback[-_LONGEST_TEXT:],
                at=self._clock(),
            )

    def progress_of(self, run_id: str, *, every: float = 0.5) -> Callable[[int, int, str], None]:
        """A function (done, total, what) that shows how far the run is, at most once in *every* seconds."""
        last = 0.0

        def show(done: int, total: int, what: str) -> None:
            nonlocal last
            if done < total and time.monotonic() - last < every:
                return
            last = time.monotonic()
            try:
                with transaction(self._engine) as connection:
                    runs.progress(connection, run_id, {"done": done, "total": total, "what": what})
            except StoreUnavailable as error:
                # Only a picture of the work; the work itself will notice in its own way.
                logger.debug("Progress of {} not shown: {}", run_id, error)

        return show
