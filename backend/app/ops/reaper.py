"""Finds what nobody works on any more: runs whose holder died, and runs whose message is gone."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from loguru import logger

from app.store import leases, outbox
from app.store.engine import Connection, Engine, transaction
from app.store.runs import Run

MOST_LOSSES = 3
"""A run that lost its worker so often, with no unit done between, is taken for the cause at the next loss."""
UNSEEN = timedelta(seconds=30)
"""How long a message may be neither in its queue nor begun: a worker that has it begins within a second."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """What the broker holds: ids of the runs whose messages wait in its queues, and of those that were purged."""

    waiting: Collection[str]
    purged: Collection[str]
    opaque: Collection[str | None] = ()
    """Queues that hold something, and nobody knows what: none of their runs is taken for lost."""


LookAtBroker = Callable[[Collection[str | None]], Waiting]
"""Asked with the names of the queues."""


class Reaper:
    """Any number of these may work side by side. *settled* is called with ids of purged runs that are dealt with."""

    def __init__(
        self,
        engine: Engine,
        *,
        clock: Callable[[], datetime],
        look: LookAtBroker,
        settled: Callable[[Collection[str]], None],
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._look = look
        self._settled = settled

    def sweep(self) -> int:
        """Deal with all that is dead, lost, purged or too late; returns how many runs that were.

        Raises:
            StoreUnavailable: PostgreSQL or the broker does not answer.
        """
        return self.reap() + self.end_late() + self.find_lost()

    def reap(self) -> int:
        """Give runs whose lease is over to another attempt, or end them."""
        with transaction(self._engine) as connection:
            dead = leases.take_dead(connection)
            for run in dead:
                self._bury(connection, run)
            if stuck := leases.end_stuck(connection):
                logger.warning("{} sessions that stood still amid a COPY are ended: a dead run was locked", stuck)
        return len(dead)

    def end_late(self) -> int:
        """End what did not begin by its time."""
        with transaction(self._engine) as connection:
            late = outbox.end_expired(connection, at=self._clock())
        for run_id in late:
            logger.warning("The run {} is SKIPPED: {}", run_id, outbox.TOO_LATE)
        return len(late)

    def find_lost(self) -> int:
        """Send runs again whose message the broker has no more, and end those that somebody purged."""
        with transaction(self._engine) as connection:
            waiting = outbox.sent_before(connection, ago=timedelta())
        old = {run.id: run for run in waiting}
        if not old:
            return 0
        held = self._look({run.queue for run in waiting})
        with transaction(self._engine) as connection:
            purged = [run_id for run_id in held.purged if run_id in old]
            for run_id in purged:
                reason = "It was purged from its queue before it began."
                leases.end_waiting(connection, run_id, state="CANCELLED", reason=reason, at=self._clock())
            unknown = {run_id for run_id, run in old.items() if run.queue in held.opaque}
            lost = old.keys() - set(held.waiting) - set(purged) - unknown
            sent_again = outbox.send_again(connection, lost, ago=UNSEEN)
        self._settled(held.purged)
        for run_id in sent_again:
            logger.warning("The message of {} {} is gone from the broker: it is sent again", old[run_id].task, run_id)
        return len(purged) + len(sent_again)

    def _bury(self, connection: Connection, run: Run) -> None:
        last = f"Attempt {run.attempts} ended without a word: its worker {run.worker} was killed, cut off or frozen"
        if run.cancel_by:
            reason = f"{run.cancel_by} cancelled it while it ran; its worker was gone."
            leases.end_dead(connection, run.id, state="CANCELLED", reason=reason, at=self._clock())
        elif not run.repeatable:
            reason = f"{last}, and its task says that it must not be repeated (acks_late=False)."
            leases.end_dead(connection, run.id, state="LOST", reason=reason, at=self._clock())
        elif run.losses >= MOST_LOSSES:
            reason = f"{last}. That was worker number {run.losses + 1}: the run itself is taken for the cause."
            leases.end_dead(connection, run.id, state="FAILED", reason=reason, at=self._clock())
        else:
            # At once after the first loss; later, a little for whatever kills workers to pass.
            pause = timedelta(seconds=5 * run.losses)
            leases.queue_again(connection, run.id, after=pause, reason=f"{last}.")
            logger.warning("{} {} goes on in another attempt: {}", run.task, run.id, last)
            return
        logger.error("{} {} is given up. {}", run.task, run.id, reason)
