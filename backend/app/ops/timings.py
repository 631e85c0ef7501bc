"""Timings as text, which an operator types and the store keeps, and in words.

::

    0 21 * * *                  a crontab: minute hour day month weekday, in Taipei's time
    sessions 0 21 * * *         the same on trading days only
    in session */15 9-13 * * *  the same while the market trades only, 09:00-13:30
    close+90m  close+1h  open-30m  open
    every 10m                   also s and h; counted from midnight UTC of 1970-01-01
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from celery.schedules import ParseException, crontab, schedule

from app.errors import ConfigurationError, InvalidParameter
from app.market.calendar import TradingCalendar
from app.ops.schedules import SessionCrontab, SessionDayCrontab, SessionOffset, Timing, next_fire

FORMS = "`0 21 * * *`, `sessions 0 21 * * *`, `in session */15 9-13 * * *`, `close+90m`, `open-30m`, `every 10m`"
SHORTEST = timedelta(seconds=10)
_FIELDS = ("minute", "hour", "day_of_month", "month_of_year", "day_of_week")
# Celery reads what it understands of a field and passes by the rest: `5-2-1` would be `5-2`.
_VALUE = r"(?:[0-9]{1,2}|[a-z]{3,9})"
_PART = rf"(?:\*|{_VALUE}(?:-{_VALUE})?)(?:/[0-9]{{1,2}})?"
_FIELD = re.compile(rf"{_PART}(?:,{_PART}){{0,60}}")
_OFFSET = re.compile(r"(open|close)(?:([+-])([0-9]{1,4})([mh]))?")
_EVERY = re.compile(r"every ([0-9]{1,5})([smh])")
_UNITS = {"s": 1, "m": 60, "h": 3600}
_KNOWN_AS_SESSIONS = datetime(2024, 1, 1, tzinfo=UTC)


@lru_cache(maxsize=256)
def parse_timing(text: str) -> Timing:
    """The timing that *text* means. Raises InvalidParameter with a sentence that shows the forms there are."""
    words = text.lower().split()
    plain = " ".join(words)
    if match := _OFFSET.fullmatch(plain.replace(" ", "")):
        return _offset(text, *match.groups())
    if match := _EVERY.fullmatch(plain):
        interval = timedelta(seconds=int(match[1]) * _UNITS[match[2]])
        if not SHORTEST <= interval <= timedelta(days=366):
            raise InvalidParameter(f"{text!r} cannot be kept: intervals last from 10 seconds to 366 days.")
        return schedule(interval)
    if words[:2] == ["in", "session"]:
        return _crontab(text, words[2:], SessionCrontab)
    if words[:1] == ["sessions"]:
        return _crontab(text, words[1:], SessionDayCrontab)
    return _crontab(text, words, crontab)


def check_timing(timing: Timing) -> None:
    """Raise ConfigurationError where nobody can tell when it fires, or it never does."""
    # A crontab may be well formed and never come: 25 December in session, or in session but at 03:00.
    next_fire(timing, after=_KNOWN_AS_SESSIONS, calendar=TradingCalendar())


def timing_text(timing: Timing) -> str:
    """The text that ``parse_timing`` reads as the same timing."""
    if isinstance(timing, SessionOffset):
        return timing.anchor + (f"{timing.minutes:+}m" if timing.minutes else "")
    if isinstance(timing, SessionCrontab):
        return f"in session {_fields(timing)}"
    if isinstance(timing, SessionDayCrontab):
        return f"sessions {_fields(timing)}"
    if isinstance(timing, crontab):
        return _fields(timing)
    return f"every {_interval(timing)}".replace(" min", "m").replace(" s", "s").replace(" h", "h")


def in_words(timing: Timing) -> str:
    """A timing as an operator reads it, in English."""
    if isinstance(timing, SessionOffset):
        if not timing.minutes:
            return f"at the {timing.anchor} of each session"
        side = "after" if timing.minutes > 0 else "before"
        return f"{abs(timing.minutes)} min {side} the {timing.anchor} of each session"
    if isinstance(timing, SessionCrontab):
        return f"{_fields(timing)} in trading sessions, 09:00–13:30"
    if isinstance(timing, crontab):
        return _crontab_in_words(_fields(timing), sessions=isinstance(timing, SessionDayCrontab))
    return f"every {_interval(timing)}"


def _crontab_in_words(fields: str, *, sessions: bool) -> str:
    if match := re.fullmatch(r"(\d+) (\d+) \* \* \*", fields):
        return f"{'trading days' if sessions else 'daily'} {int(match[2]):02}:{int(match[1]):02}"
    if not sessions and (match := re.fullmatch(r"(\d+) \* \* \* \*", fields)):
        return f"hourly at :{int(match[1]):02}"
    return f"{fields} on trading days" if sessions else fields


def _offset(text: str, anchor: Any, sign: str | None, number: str | None, unit: str | None) -> Timing:
    minutes = int(number or 0) * (60 if unit == "h" else 1) * (-1 if sign == "-" else 1)
    try:
        return SessionOffset(anchor, minutes)
    except ConfigurationError:
        raise InvalidParameter(f"{text!r} is too far from the session: offsets go to 24 hours.") from None


def _crontab(text: str, fields: list[str], kind: type[crontab]) -> Timing:
    if len(fields) != len(_FIELDS) or not all(_FIELD.fullmatch(field) for field in fields):
        raise InvalidParameter(f"{text[:100]!r} is no timing; write one like {FORMS}.")
    try:
        timing = kind(**dict(zip(_FIELDS, fields, strict=True)))
        check_timing(timing)
    except ConfigurationError:
        raise InvalidParameter(f"{text!r} never fires: there is no such day or hour.") from None
    except (ParseException, ValueError, TypeError, IndexError, ZeroDivisionError) as error:
        raise InvalidParameter(
            f"{text!r} is no crontab ({' '.join(str(error).split()).rstrip('.')}); the fields are minute, hour, day, "
            "month and weekday (0 is Sunday), like `0 21 * * 1-5`."
        ) from None
    return timing


def _fields(cron: crontab) -> str:
    return " ".join(_field(getattr(cron, f"_orig_{name}")) for name in _FIELDS)


def _field(given: Any) -> str:
    if isinstance(given, Iterable) and not isinstance(given, str):
        return ",".join(str(number) for number in sorted(given))
    return str(given).replace(" ", "")


def _interval(timing: Timing) -> str:
    if type(timing) is not schedule:
        return repr(timing)
    seconds = timing.run_every.total_seconds()
    for unit, length in (("h", 3600), ("min", 60)):
        if seconds % length == 0:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:g} s"
