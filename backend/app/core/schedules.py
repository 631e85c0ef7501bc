"""The schedules' port: what API, console and CLI see of them, and how operators change them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from loguru import logger

from app.core.celery_app import app
from app.core.wiring import get_platform, now
from app.errors import ConfigurationError, InvalidParameter, QuantLabError, UnknownSchedule
from app.market.calendar import TradingCalendar
from app.ops.claims import claim_due
from app.ops.declared import Schedule, check_policy, declared, unknown
from app.ops.schedules import Timing, fires
from app.ops.timings import in_words, parse_timing, timing_text
from app.store import schedules, sessions
from app.store.engine import Engine, transaction
from app.store.schedules import OVERRIDABLE, ScheduleRow

SHOWN = 5
"""Next fires that are shown of a schedule."""
_SECONDS = 2.0
_rows: Mapping[str, ScheduleRow] = {}
_read_at = float("-inf")


@dataclass(frozen=True, slots=True)
class ScheduleView:
    """A schedule as it is in force, beside its defaults and what an operator said (only that) against them."""

    name: str
    task: str
    enabled: bool
    timing: str
    words: str
    parameters: Mapping[str, Any]
    misfire: str
    late_limit: int | None
    defaults: Mapping[str, Any]
    overrides: Mapping[str, Any]
    changed_by: str | None
    changed_at: datetime | None
    claimed_until: datetime | None
    next_fires: list[datetime]


@dataclass(frozen=True, slots=True)
class ScheduleChange:
    """What a change made of a schedule: what operators had said *before* it, all at one moment, and how it stands."""

    before: Mapping[str, Any]
    view: ScheduleView


@dataclass(frozen=True, slots=True)
class Preview:
    """What a timing means: its text as it would be kept, in words, and when it would fire."""

    timing: str
    words: str
    next_fires: list[datetime]


def list_schedules() -> list[ScheduleView]:
    """All of them, in the order of BEAT_SCHEDULE. Raises StoreUnavailable."""
    with transaction(get_platform().engine) as connection:
        rows, calendar = schedules.read_all(connection), sessions.trading_calendar(connection)
    return [_view(one, rows.get(name), calendar) for name, one in _declared().items()]


def show_schedule(name: str) -> ScheduleView:
    """One of them. Raises UnknownSchedule, StoreUnavailable."""
    _known(name)
    return next(view for view in list_schedules() if view.name == name)


def change_schedule(name: str, changes: Mapping[str, Any], *, by: str) -> ScheduleChange:
    """Override parts of a schedule: any of OVERRIDABLE; None gives a part back to its default.

    What fell due under the old word is claimed first, so a change never swallows a missed tick, and the new word
    counts from now on, never back.

    Raises:
        UnknownSchedule: there is none of that name.
        InvalidParameter: a value makes no sense, or there is none; nothing was changed.
        StoreUnavailable: PostgreSQL does not answer; nothing was changed.
    """
    one = _known(name)
    said = _checked(one, changes)
    who = by.strip()
    if not 0 < len(who) <= 100 or not who.isprintable():
        raise InvalidParameter("Say who changes it, in 1 to 100 characters.")
    if not said:
        raise InvalidParameter(f"Say what to change of {name}: {', '.join(OVERRIDABLE)}.")
    engine = get_platform().engine
    with transaction(engine) as connection:
        at = schedules.instant(connection)
    while _claim(engine, one, at):  # a transaction each: a month of seconds need not fit into one
        pass
    with transaction(engine) as connection:
        claim_due(connection, one, now=at, wait=True)
        # Its row is held from here on, so two who change it at once do so one after the other.
        before = schedules.lock(connection, name, at=at, wait=True)
        schedules.count_from(connection, name, at)
        schedules.override(connection, name, said, by=who, at=at)
        view = _view(one, schedules.lock(connection, name, at=at, wait=True), sessions.trading_calendar(connection))
    _forget_rows()
    return ScheduleChange({} if before is None else before.overrides, view)


def _claim(engine: Engine, one: Schedule, at: datetime) -> bool:
    """Claim some of what was due by then; whether there is more."""
    with transaction(engine) as connection:
        return claim_due(connection, one, now=at, wait=True).more


def reset_schedule(name: str, *, by: str) -> ScheduleChange:
    """Take back all that was said of a schedule: its defaults hold again. Raises as ``change_schedule`` does."""
    return change_schedule(name, dict.fromkeys(OVERRIDABLE), by=by)


def preview(timing: str, *, count: int = SHOWN) -> Preview:
    """What *timing* means. Raises InvalidParameter with the forms there are."""
    parsed = parse_timing(timing)
    with transaction(get_platform().engine) as connection:
        calendar = sessions.trading_calendar(connection)
    return Preview(timing_text(parsed), in_words(parsed), _upcoming(parsed, calendar, count=count))


def held_schedules() -> dict[str, Schedule]:
    """Name → schedule as it is in force, some two seconds old at most; the last known while PostgreSQL is away."""
    global _rows, _read_at  # noqa: PLW0603 - one a process
    if time.monotonic() - _read_at >= _SECONDS:
        _read_at = time.monotonic()
        try:
            with transaction(get_platform().engine) as connection:
                _rows = schedules.read_all(connection)
        except QuantLabError as error:
            _read_at = time.monotonic()  # it may have taken longer than that to fail
            logger.warning("What operators said of the schedules is not known at present: {}", error)
    return {name: one.under(_rows.get(name)) for name, one in _declared().items()}


def _forget_rows() -> None:
    global _read_at  # noqa: PLW0603
    _read_at = float("-inf")


@cache
def _declared() -> dict[str, Schedule]:
    return declared(app)


def _known(name: str) -> Schedule:
    if name not in _declared():
        raise UnknownSchedule(unknown(name, _declared(), "schedule"))
    return _declared()[name]


def _checked(one: Schedule, changes: Mapping[str, Any]) -> dict[str, Any]:
    if wrong := set(changes) - set(OVERRIDABLE):
        raise InvalidParameter(
            f"Of a schedule {', '.join(OVERRIDABLE)} can be changed, not {', '.join(sorted(wrong))}."
        )
    said = dict(changes)
    check_policy(said.get("misfire"), said.get("late_limit"))
    if said.get("timing") is not None:
        said["timing"] = timing_text(parse_timing(said["timing"]))
    if said.get("parameters") is not None:
        task = app.tasks[one.task]
        task.check_parameters((), said["parameters"])
        said["parameters"] = task.canonical_parameters((), said["parameters"])
    return said


def _view(one: Schedule, row: ScheduleRow | None, calendar: TradingCalendar) -> ScheduleView:
    held = one.under(row)
    return ScheduleView(
        name=one.name,
        task=one.task,
        enabled=held.enabled,
        timing=timing_text(held.timing),
        words=in_words(held.timing),
        parameters=held.parameters,
        misfire=held.misfire,
        late_limit=held.late_limit,
        defaults={name: getattr(one, name) for name in OVERRIDABLE} | {"timing": timing_text(one.timing)},
        overrides={} if row is None else row.overrides,
        changed_by=None if row is None else row.changed_by,
        changed_at=None if row is None else row.changed_at,
        claimed_until=None if row is None else row.claimed_until,
        next_fires=_upcoming(held.timing, calendar) if held.enabled else [],
    )


def _upcoming(timing: Timing, calendar: TradingCalendar, *, count: int = SHOWN) -> list[datetime]:
    try:
        return fires(timing, after=now(), count=count, calendar=calendar)
    except ConfigurationError:
        return []  # the trading calendar ends before
