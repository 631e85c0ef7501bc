"""Sends the messages of runs that wait for one: claimed ticks, due retries, runs given back, what a broker lost.

A run is written down before its message is sent, and marked as sent before it is: a message that is sent twice is
harmless, for only one attempt gets the lease; one that is not sent would be lost.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from loguru import logger

from app.store import outbox
from app.store.engine import Engine, transaction
from app.store.runs import Run

Publish = Callable[[Run], None]
"""Hands a run's message to the broker, or raises."""


class Outbox:
    """Any number of these may work side by side: each row is taken by one of them. *caps*: queue → most at once."""

    def __init__(self, engine: Engine, *, publish: Publish, caps: Mapping[str, int]) -> None:
        self._engine = engine
        self._publish = publish
        self._caps = caps

    def send_due(self) -> int:
        """Send what is due; returns how many. A broker that is away leaves the rest for the next time.

        Raises:
            StoreUnavailable: PostgreSQL does not answer.
        """
        with transaction(self._engine) as connection:
            taken = outbox.take(connection, caps=self._caps)
        for number, run in enumerate(taken):
            try:
                self._publish(run)
            except Exception as error:
                with transaction(self._engine) as connection:
                    for unsent in taken[number:]:
                        outbox.put_back(connection, unsent.id)
                logger.warning("{} messages wait to be sent: {}", len(taken) - number, error)
                return number
        return len(taken)
