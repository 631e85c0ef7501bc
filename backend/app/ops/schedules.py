"""Schedules that know the trading calendar."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from celery.schedules import crontab, schedstate

from app.errors import ConfigurationError
from app.market.calendar import LAST_DAY, TAIPEI, TradingCalendar


class SessionCrontab(crontab):
    """A crontab that fires only while the market trades: on sessions, from 09:00 to 13:30 Taipei, both included.

    ``crontab(hour="9-13", minute="*/15")`` alone would fire until 13:45, on holidays and typhoon days too.
    """

    calendar: Callable[[], TradingCalendar] = TradingCalendar
    """Where sessions come from; called at each question, so that a closure set today counts today."""

    def next_fire(self, after: datetime) -> datetime:
        """The first instant (aware, Taipei) later than *after* at which it fires."""
        calendar = type(self).calendar()
        instant: datetime = after.astimezone(TAIPEI)
        while instant.date() <= LAST_DAY:
            start, delta, _ = self.remaining_delta(instant, tz=TAIPEI)
            instant = start + delta
            if calendar.in_session(instant):
                return instant
        raise ConfigurationError(f"The trading calendar ends with {LAST_DAY}; update QuantLab.")

    def is_due(self, last_run_at: datetime) -> tuple[bool, float]:
        """Celery's question: whether to fire now, and in how many seconds to ask again."""
        last = last_run_at if last_run_at.tzinfo else last_run_at.replace(tzinfo=UTC)
        now = self.now()
        now = now if now.tzinfo else now.replace(tzinfo=UTC)
        due = self.next_fire(last)
        upcoming = self.next_fire(now)
        answer: tuple[bool, float] = schedstate(is_due=due <= now, next=max((upcoming - now).total_seconds(), 0.0))
        return answer


def fires(schedule: crontab, *, after: datetime, count: int) -> list[datetime]:
    """The next *count* instants (aware, Taipei) later than *after* at which *schedule* fires."""
    instants: list[datetime] = []
    at = after.astimezone(TAIPEI)
    for _ in range(count):
        if isinstance(schedule, SessionCrontab):
            at = schedule.next_fire(at)
        else:
            start, delta, _now = schedule.remaining_delta(at, tz=TAIPEI)
            at = start + delta
        instants.append(at)
    return instants


def in_words(schedule: Any) -> str:
    """A schedule as an operator reads it."""
    if isinstance(schedule, SessionCrontab):
        return f"{_fields(schedule)} in trading sessions, 09:00–13:30"
    if isinstance(schedule, crontab):
        minute, hour = str(schedule._orig_minute), str(schedule._orig_hour)  # noqa: SLF001 - Celery keeps it there
        if minute.isdigit() and hour.isdigit():
            return f"daily {int(hour):02}:{int(minute):02}"
        return _fields(schedule)
    return str(schedule)


def _fields(schedule: crontab) -> str:
    names = ("_orig_minute", "_orig_hour", "_orig_day_of_month", "_orig_month_of_year", "_orig_day_of_week")
    return " ".join(str(getattr(schedule, name)) for name in names)
