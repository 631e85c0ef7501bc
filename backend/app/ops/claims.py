"""Claiming due ticks: each becomes one run, queued or skipped with its reason, however many schedulers look.

A claim is a transaction that holds the schedule's row: it sees what fell due since the last one, writes the runs
(unique by schedule and due time) and moves ``claimed_until``. Killed before its commit it has done nothing, after it
everything; so ticks are neither lost nor doubled, without any lock that could be left behind.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice, takewhile

from app.market.calendar import TAIPEI, TradingCalendar
from app.market.sayings import say
from app.ops.declared import SHORTEST_LATE_LIMIT, Schedule
from app.ops.schedules import Timing, instants
from app.store import runs, schedules, sessions
from app.store.engine import Connection

MOST = 500
"""Ticks of a schedule that one transaction takes, and that are told one by one when they are skipped."""

_ON_TIME = timedelta(seconds=SHORTEST_LATE_LIMIT)
_FIRST_LOOK = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Tick:
    """A due tick and what becomes of it; *skipped* is the reason why it does not run, or None."""

    due_at: datetime
    skipped: str | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """What a transaction did: runs queued and skipped, the last tick that runs, and whether to look again at once."""

    queued: int = 0
    skipped: int = 0
    newest: datetime | None = None
    more: bool = False


def claim_due(connection: Connection, declared: Schedule, *, now: datetime, wait: bool = False) -> Claim:
    """Claim what of the schedule fell due by the instant *now*, under the operator's word as it stands.

    Nothing where another scheduler is at it, unless *wait*.
    """
    row = schedules.lock(connection, declared.name, at=now, wait=wait)
    if row is None:
        return Claim(more=True)
    if row.claimed_until >= now:
        return Claim()
    schedule, until, more = declared.under(row), now, False
    ticks: list[Tick] = []
    if schedule.enabled:
        calendar = sessions.trading_calendar(connection)
        ticks, more = decide(schedule, calendar, after=row.claimed_until, now=now)
        until = ticks[-1].due_at if more else now
    queued = [tick.due_at for tick in ticks if tick.skipped is None and _insert(connection, schedule, tick, now)]
    skipped = sum(_insert(connection, schedule, tick, now) for tick in ticks if tick.skipped is not None)
    if queued and schedule.misfire == "latest":
        reason = say("superseded_waiting", time=_short(queued[-1]))
        skipped += schedules.supersede(connection, schedule.name, before=queued[-1], reason=reason, at=now)
    schedules.advance(connection, schedule.name, until)
    return Claim(len(queued), skipped, queued[-1] if queued else None, more)


def decide(schedule: Schedule, calendar: TradingCalendar, *, after: datetime, now: datetime) -> tuple[list[Tick], bool]:
    """What becomes of the ticks in (after, now], in order of time, and whether there are more for another time."""
    oldest = (
        after
        if schedule.late_limit is None
        else max(after, now - timedelta(seconds=schedule.late_limit, microseconds=1))
    )
    late = _told(newest_ticks(schedule.timing, calendar, after=after, until=oldest), _too_late(schedule))
    if schedule.misfire == "all":
        due = takewhile(lambda at: at <= now, instants(schedule.timing, after=oldest, calendar=calendar))
        taken = list(islice(due, MOST + 1))
        return late + [Tick(at) for at in taken[:MOST]], len(taken) > MOST
    due_at, cut = newest_ticks(schedule.timing, calendar, after=oldest, until=now)
    if schedule.misfire == "latest" and due_at:
        newest = due_at.pop()
        earlier = _told((due_at, cut), say("superseded", time=_short(newest)))
        return [*late, *earlier, Tick(newest)], False
    missed = [at for at in due_at if now - at > _ON_TIME]
    passed_by = _told((missed, cut), say("missed"))
    return [*late, *passed_by, *(Tick(at) for at in due_at[len(missed) :])], False


def newest_ticks(
    timing: Timing, calendar: TradingCalendar, *, after: datetime, until: datetime
) -> tuple[list[datetime], bool]:
    """The newest ticks in (after, until], at most MOST, in order; and whether there are older ones.

    Looked for from the end, in ever longer stretches: after a year off, a year of minutes need not be counted.
    """
    stretch = _FIRST_LOOK
    while after < until:
        begin = max(after, until - stretch)
        found = list(takewhile(lambda at: at <= until, instants(timing, after=begin, calendar=calendar)))
        if len(found) > MOST or begin == after:
            return found[-MOST:], len(found) > MOST
        stretch *= 2
    return [], False


def _told(ticks: tuple[Sequence[datetime], bool], reason: str) -> list[Tick]:
    """Skipped ticks with their reason; the oldest one speaks for those before it that are not told one by one."""
    due_at, cut = ticks
    told = [Tick(at, reason) for at in due_at]
    if cut:
        told[0] = Tick(due_at[0], say("older_too", first=reason))
    return told


def _too_late(schedule: Schedule) -> str:
    return say("too_late", span=_span(schedule.late_limit or 0))


def _insert(connection: Connection, schedule: Schedule, tick: Tick, now: datetime) -> bool:
    limit = schedule.late_limit
    return runs.claim(
        connection,
        str(uuid.uuid4()),
        task=schedule.task,
        parameters=schedule.parameters,
        schedule=schedule.name,
        due_at=tick.due_at,
        at=now,
        queue=schedule.queue,
        priority=schedule.priority,
        expires_at=tick.due_at + timedelta(seconds=limit) if limit and tick.skipped is None else None,
        state="QUEUED" if tick.skipped is None else "SKIPPED",
        reason=tick.skipped,
    )


def _short(at: datetime) -> str:
    return f"{at.astimezone(TAIPEI):%Y-%m-%d %H:%M}"


def _span(seconds: int) -> str:
    for unit, length in (("h", 3600), ("min", 60)):
        if seconds % length == 0:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"
