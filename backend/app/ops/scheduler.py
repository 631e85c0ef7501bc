"""The scheduler of ``celery beat``: schedules and their claimed ticks live in PostgreSQL, so any number may run."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from celery.beat import Scheduler
from loguru import logger

from app.errors import QuantLabError, StoreError
from app.market.calendar import TAIPEI, TradingCalendar
from app.ops.claims import Claim, claim_due
from app.ops.declared import Schedule, declared
from app.ops.schedules import next_fire
from app.ops.timings import in_words
from app.store import schedules, sessions
from app.store.engine import Connection, Engine, transaction
from app.store.schedules import ScheduleRow

LONGEST_SLEEP = 2.0
"""Seconds until an operator's word is heard."""
_SHORTEST_SLEEP = 0.05
_SAY_AGAIN = 60.0
_PACE = timedelta(minutes=1)
"""How far behind ``claimed_until`` may stay while nothing is due: so little would a changed time look back."""
_AHEAD = timedelta(hours=1)


class LedgerScheduler(Scheduler):
    """Claims due ticks as runs in the ledger; what sends them is the outbox.

    It keeps nothing itself: killed, doubled or restarted at any moment, the next tick of any of them goes on from the
    store. While PostgreSQL is away it says so and waits; it never exits for that.
    """

    max_interval = LONGEST_SLEEP
    engine: Callable[[], Engine] | None = None
    """Where the store is; without one, that of the application (``app.ledger_engine``)."""
    instant: Callable[[Connection], datetime] = staticmethod(schedules.instant)
    """The present: by PostgreSQL's clock, which schedulers on different machines share."""
    outbox: Callable[[], object] | None = None
    """Called after a commit that queued runs, so that they need not wait for the outbox's own turn."""
    on_tick: Callable[[], object] | None = None
    """Called at each turn of beat's loop: it still turns."""

    def setup_schedule(self) -> None:
        """Read and check what is declared. Raises ConfigurationError when a line of it cannot be kept."""
        self.merge_inplace(self.app.conf.beat_schedule)
        self.declared = declared(self.app)
        self._said: dict[str, tuple[str, float]] = {}
        self._told: dict[str, str] = {}

    @property
    def info(self) -> str:
        """What beat's banner says of it."""
        return "    . store -> PostgreSQL (any number of schedulers may run)"

    def tick(self, *_: Any, **__: Any) -> float:
        """Claim what is due; returns the seconds until there is something to do again."""
        if self.on_tick is not None:
            self.on_tick()
        try:
            claimed, wait = self._turn()
        except Exception as error:
            # Whatever it is, beat goes on: the next turn begins from the store again.
            self._say("turn", f"No schedule can be read or claimed now, trying again: {error}", error)
            return self.max_interval
        self._mended("turn", "Schedules are read and claimed again")
        if claimed and self.outbox is not None:
            try:
                self.outbox()
            except Exception as error:
                self._say("outbox", f"Claimed runs are not sent yet, the outbox tries again: {error}", error)
        return wait

    def _turn(self) -> tuple[int, float]:
        """Runs queued, and seconds to wait."""
        engine = (self.engine or self.app.ledger_engine)()
        with transaction(engine) as connection:
            now = self.instant(connection)
            rows = schedules.read_all(connection)
            calendar = sessions.trading_calendar(connection)
        queued, wait = 0, self.max_interval
        for name, one in self.declared.items():
            try:
                self._tell(one.under(rows.get(name)), calendar, now)
                done, seconds = self._look_at(engine, one, rows.get(name), calendar, now)
            except StoreError:
                raise
            except Exception as error:
                # One schedule that cannot be kept must not hold up the others.
                self._say(name, f"The schedule {name} cannot be claimed now: {error}", error)
                continue
            self._mended(name, f"The schedule {name} is claimed again")
            queued += done
            wait = min(wait, seconds)
        return queued, max(wait, _SHORTEST_SLEEP)

    def _look_at(
        self, engine: Engine, one: Schedule, row: ScheduleRow | None, calendar: TradingCalendar, now: datetime
    ) -> tuple[int, float]:
        if row is not None and row.claimed_until > now + _AHEAD:
            self._say(
                f"{one.name} ahead",
                f"The schedule {one.name} is claimed up to {row.claimed_until.astimezone(TAIPEI):%Y-%m-%d %H:%M}, and "
                f"fires no more until then: a clock was ahead. `quantlab schedule resume {one.name}` lets it go on.",
            )
        schedule = one.under(row)
        if row is not None and now - row.claimed_until < _PACE:
            if not schedule.enabled:
                return 0, self.max_interval
            upcoming = next_fire(schedule.timing, after=row.claimed_until, calendar=calendar)
            if upcoming > now:
                return 0, (upcoming - now).total_seconds()
        with transaction(engine) as connection:
            claim = claim_due(connection, one, now=now)
        self._log(schedule, claim)
        return claim.queued, 0.0 if claim.more else self._until_next(schedule, calendar, now)

    def _until_next(self, schedule: Schedule, calendar: TradingCalendar, now: datetime) -> float:
        if not schedule.enabled:
            return self.max_interval
        return (next_fire(schedule.timing, after=now, calendar=calendar) - now).total_seconds()

    def _log(self, schedule: Schedule, claim: Claim) -> None:
        if claim.queued and claim.newest:
            logger.info("{}: the run of {} is queued", schedule.name, f"{claim.newest.astimezone(TAIPEI):%m-%d %H:%M}")
        if claim.skipped:
            ticks = "tick is" if claim.skipped == 1 else "ticks are"
            logger.warning("{}: {} {} SKIPPED; `quantlab runs` says why", schedule.name, claim.skipped, ticks)

    def _tell(self, schedule: Schedule, calendar: TradingCalendar, now: datetime) -> None:
        """Log the schedule at the start, and again when an operator changed it."""
        text = f"{in_words(schedule.timing)}, {dict(schedule.parameters)}, {schedule.misfire}, {schedule.late_limit} s"
        text += "" if schedule.enabled else ", paused"
        before = self._told.get(schedule.name)
        if before == text:
            return
        self._told[schedule.name] = text
        changed = "" if before is None else "changed: "
        if schedule.enabled:
            upcoming = next_fire(schedule.timing, after=now, calendar=calendar)
            what_next = f"next {upcoming:%Y-%m-%d %H:%M} Taipei"
        else:
            what_next = "paused"
        logger.info("{} {}{}, {}", schedule.name, changed, in_words(schedule.timing), what_next)

    def _say(self, subject: str, sentence: str, error: BaseException | None = None) -> None:
        """One line, and again only when it changes or after a minute."""
        known, at = self._said.get(subject, ("", 0.0))
        if known == sentence and time.monotonic() - at < _SAY_AGAIN:
            return
        self._said[subject] = (sentence, time.monotonic())
        unexpected = error is not None and not isinstance(error, QuantLabError)
        logger.opt(exception=error if unexpected else None).warning("{}", sentence)

    def _mended(self, subject: str, sentence: str) -> None:
        if self._said.pop(subject, None):
            logger.info("{}", sentence)
