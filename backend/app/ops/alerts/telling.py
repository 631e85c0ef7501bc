"""Telling people of incidents, at least once, by whoever of the watchers comes first.

Who tells holds an advisory lock of PostgreSQL while it sends, and marks in the same transaction what was told. Two
watchers at once tell once; one that dies while it sends gives the lock back and has marked nothing, so the next one
tells, perhaps again: an alert twice is a nuisance, an alert that nobody got is a fault (docs/adr/0008).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from loguru import logger

from app.ops.alerts.channels import Channel
from app.ops.alerts.message import Message, message_of, shortened
from app.store import incidents
from app.store.engine import Engine, transaction

FIRST_WAIT, LONGEST_WAIT = 30.0, 15 * 60.0
MOST_OWED = 20


@dataclass(slots=True)
class _Debt:
    """What one channel did not take while another did, and when it is tried again."""

    messages: list[Message] = field(default_factory=list)
    failures: int = 0
    not_before: float = 0.0

    def failed(self, now: float) -> None:
        self.failures += 1
        self.not_before = now + min(FIRST_WAIT * 2 ** (self.failures - 1), LONGEST_WAIT)


class Teller:
    """Tells channels. *channels* is asked each time, so that a new address counts at once; *sender* signs."""

    def __init__(
        self,
        engine: Callable[[], Engine],
        channels: Callable[[], Sequence[Channel]],
        *,
        sender: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine = engine
        self._channels = channels
        self._sender = sender
        self._clock = clock
        self._debts: dict[str, _Debt] = {}

    def tell(self) -> int:
        """Tell what is to be told; returns how many incidents channels were told of.

        That one channel at least took the message counts as told. What the others did not take is kept in memory and
        tried again by this process, longer and longer apart. Without any channel all stays untold.
        """
        channels = self._channels()
        self._pay(channels)
        if not channels or not any(self._may_try(one) for one in channels):
            return 0
        with transaction(self._engine()) as connection:
            if not incidents.claim_telling(connection):
                return 0
            pending = incidents.to_tell(connection)
            if not pending or not self.send(message_of(pending, sender=self._sender)):
                return 0
            incidents.told(
                connection,
                breaches=[one.id for one in pending if one.closed_at is None],
                recoveries=[one.id for one in pending if one.closed_at is not None],
            )
        return len(pending)

    def send(self, message: Message) -> bool:
        """Send to all channels; whether one at least took it. Those that did not are owed it then."""
        channels = self._channels()
        refused = [one for one in channels if not (self._may_try(one) and self._sent(one, message))]
        if len(refused) == len(channels):
            return False
        for channel in refused:
            debt = self._debts.setdefault(channel.name, _Debt())
            debt.messages = [*debt.messages, message][-MOST_OWED:]
        return True

    def shout(self, text: str) -> bool:
        """Send what cannot be kept in the database."""
        return self.send(Message(f"{self._sender}: {text.partition(':')[0]}", shortened(text), "warning"))

    def _pay(self, channels: Sequence[Channel]) -> None:
        for channel in channels:
            debt = self._debts.get(channel.name)
            while debt and debt.messages and self._may_try(channel) and self._sent(channel, debt.messages[0]):
                debt.messages.pop(0)

    def _may_try(self, channel: Channel) -> bool:
        debt = self._debts.get(channel.name)
        return debt is None or self._clock() >= debt.not_before

    def _sent(self, channel: Channel, message: Message) -> bool:
        why = channel.send(message.title, message.body, kind=message.kind)
        debt = self._debts.setdefault(channel.name, _Debt())
        if why is None:
            debt.failures, debt.not_before = 0, 0.0
            return True
        debt.failed(self._clock())
        logger.warning("The alert channel {} was not told: {}", channel.name, why)
        return False
