"""The run ledger: what was asked for, what ran, what it wrote and why it failed. Unlike Flower's, it stays."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from loguru import logger

from app.errors import InvalidParameter, StoreUnavailable
from app.store import leases, outbox, runs
from app.store.counts import Counts
from app.store.engine import Engine, single, transaction
from app.store.leases import Attempt
from app.store.runs import Run

_LONGEST_TEXT = 20_000
"""Characters of an error or traceback that are kept; the end of it tells the most."""


class RunLedger:
    """Each call is one short transaction. *clock* gives the aware instant; leases go by PostgreSQL's own."""

    def __init__(self, engine: Engine, *, clock: Callable[[], datetime]) -> None:
        self._engine = engine
        self._clock = clock

    def queued(self, run_id: str, *, task: str, parameters: Mapping[str, Any], trigger: str, **more: Any) -> str:
        """Write down a wish to run, before its message is sent; *more* as ``store.runs.queue`` takes it.

        Returns the id of the run that fulfils it: another one's, when the same is under way and not *forced*.
        Raises InvalidParameter for an id that no run can have.
        """
        runs.check_id(run_id)
        wish = {"task": task, "parameters": parameters, "trigger": trigger, "at": self._clock(), **more}
        with single(self._engine) as connection:
            if runs.queue_new(connection, run_id, **wish):
                return run_id
        with transaction(self._engine) as connection:
            return runs.queue(connection, run_id, **wish)

    def not_sent(self, run_id: str) -> None:
        """Its message could not be sent: the outbox will try."""
        with transaction(self._engine) as connection:
            outbox.put_back(connection, run_id)

    def taken(self, run_id: str, *, worker: str | None, repeatable: bool = True) -> int | None:
        """Begin an attempt of a run that is written down, waits and is due; its token. None: ask ``started``."""
        with single(self._engine) as connection:
            return leases.take(connection, run_id, worker=worker, at=self._clock(), repeatable=repeatable)

    def started(
        self,
        run_id: str,
        *,
        task: str,
        parameters: Mapping[str, Any],
        trigger: str,
        worker: str | None,
        repeatable: bool = True,
    ) -> Attempt:
        """Begin an attempt. Without a token there is nothing to do: it has ended, or another attempt has it.

        Raises InvalidParameter for an id that no run can have.
        """
        runs.check_id(run_id)
        at = self._clock()
        with transaction(self._engine) as connection:
            attempt = leases.start(
                connection,
                run_id,
                task=task,
                parameters=parameters,
                trigger=trigger,
                worker=worker,
                at=at,
                repeatable=repeatable,
            )
            if attempt.token == 1 and attempt.run.expires_at is not None:
                late = leases.end_late(connection, run_id, 1, reason=outbox.TOO_LATE, at=at)
                return Attempt(attempt.run, None) if late else attempt
        return attempt

    def will_retry(
        self,
        run_id: str,
        token: int,
        *,
        error: BaseException,
        after: timedelta,
        retries: int,
        parameters: Mapping[str, Any] | None = None,
    ) -> bool:
        """This attempt failed, another is due *after* that time. False: the lease is lost."""
        with transaction(self._engine) as connection:
            return leases.retry(
                connection,
                run_id,
                token,
                after=after,
                retries=retries,
                parameters=parameters,
                reason=str(error)[:_LONGEST_TEXT],
                error_type=type(error).__name__,
            )

    def given_back(self, run_id: str, token: int, *, reason: str) -> bool:
        """Another attempt goes on with it. False: the lease is lost."""
        with transaction(self._engine) as connection:
            return leases.give_back(connection, run_id, token, reason=reason)

    def finished(
        self, run_id: str, token: int, *, state: str, reason: str | None = None, counts: Counts | None = None
    ) -> bool:
        """End a run that did not fail. False: the lease is lost."""
        with single(self._engine) as connection:
            return leases.finish_held(
                connection, run_id, token, state=state, reason=reason, counts=counts, at=self._clock()
            )

    def failed(
        self,
        run_id: str,
        *,
        error: BaseException,
        traceback: str | None,
        token: int | None = None,
        worker: str | None = None,
    ) -> bool:
        """End a run as FAILED, by its token or by the worker that holds it. False: it has ended, or another has it."""
        with transaction(self._engine) as connection:
            return leases.finish(
                connection,
                run_id,
                token=token,
                worker=worker,
                state="FAILED",
                error_type=type(error).__name__,
                error=str(error)[:_LONGEST_TEXT],
                traceback=None if traceback is None else traceback[-_LONGEST_TEXT:],
                at=self._clock(),
            )

    def dropped(self, run_id: str, *, worker: str) -> bool:
        """The process of *worker* that had the run is dead; the reaper need not wait for the end of its lease."""
        with transaction(self._engine) as connection:
            return leases.drop(connection, run_id, worker=worker)

    def cancel(self, run_id: str, *, by: str) -> Run:
        """Take a run back: at once while it waits, at its next pause point while it works. Returns it as it is then.

        Raises:
            UnknownRun: there is none of that id.
            InvalidParameter: it has ended already.
        """
        reason = f"{by} cancelled it before it began."
        with transaction(self._engine) as connection:
            stopped = leases.end_waiting(connection, run_id, state="CANCELLED", reason=reason, at=self._clock())
            if not stopped and not leases.ask_to_cancel(connection, run_id, by=by):
                # Its holder may have given it back between the two.
                stopped = leases.end_waiting(connection, run_id, state="CANCELLED", reason=reason, at=self._clock())
            run = runs.get(connection, run_id)
        if run.is_final and not stopped:
            raise InvalidParameter(f"The run {run_id} has ended as {run.state}; there is nothing to cancel.")
        return run

    def cancelled(self, run_id: str, *, reason: str) -> None:
        """An operator's ``revoke`` took it back, whatever it did."""
        with transaction(self._engine) as connection:
            leases.finish(connection, run_id, state="CANCELLED", reason=reason, at=self._clock())

    def progress_of(self, run_id: str, token: int, *, every: float = 0.5) -> Callable[[int, int, str], None]:
        """A function (done, total, what) that shows how far the run is, at most once in *every* seconds."""
        last = 0.0

        def show(done: int, total: int, what: str) -> None:
            nonlocal last
            if done < total and time.monotonic() - last < every:
                return
            last = time.monotonic()
            try:
                with transaction(self._engine) as connection:
                    leases.progress(connection, run_id, token, {"done": done, "total": total, "what": what})
            except StoreUnavailable as error:
                # Only a picture of the work; the work itself will notice in its own way.
                logger.debug("Progress of {} not shown: {}", run_id, error)

        return show
