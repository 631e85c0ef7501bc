"""What every service works with; core wires it, tests build their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import redis

from app.market.calendar import TAIPEI, TradingCalendar
from app.sources.http import Client
from app.store import sessions
from app.store.engine import Engine, transaction

Progress = Callable[[int, int, str], None]
Interrupts = tuple[type[Exception], ...]
"""What ends the whole work and not one unit of it: a time limit. Celery's own types, which only wiring knows."""


def no_progress(done: int, total: int, what: str) -> None:
    """For callers that nobody watches."""


@dataclass(frozen=True, slots=True)
class Context:
    """The servers, the exchanges, the clock, and the run for which work is done (None outside of a run)."""

    engine: Engine
    redis: redis.Redis
    client: Client
    clock: Callable[[], datetime]
    universes: Mapping[str, Sequence[str]]
    data_dir: Path
    run_id: str | None = None
    progress: Progress = no_progress
    interrupts: Interrupts = ()

    def calendar(self) -> TradingCalendar:
        """The trading calendar with the overrides that the store holds now."""
        with transaction(self.engine) as connection:
            return sessions.trading_calendar(connection)

    def today(self) -> date:
        """Today in Taipei."""
        return self.clock().astimezone(TAIPEI).date()
