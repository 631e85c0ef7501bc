"""Days and instants as people write them, on the command line and in addresses."""

from __future__ import annotations

from datetime import date, datetime

from app.market.calendar import TAIPEI

A_DAY = "write a day such as 2026-11-20"
AN_INSTANT = (
    "write a time such as 2026-11-20T21:00, which is Taipei's, or 2026-11-20T13:00Z (in an address a + is %2B: "
    "2026-11-20T21:00%2B08:00)"
)

YEARS = range(1900, 2200)
"""Of instants: beyond them a zone or some hours more lead out of what can be counted."""
A_YEAR = f"write a year from {YEARS[0]} to {YEARS[-1]}"


def in_taipei(text: str) -> str:
    """An instant of ISO 8601 as people of Taipei say it, to the minute."""
    return f"{read_instant(text).astimezone(TAIPEI):%Y-%m-%d %H:%M}"


def clock_of(text: str) -> str:
    """The time of day in Taipei of an instant of ISO 8601."""
    return f"{datetime.fromisoformat(text).astimezone(TAIPEI):%H:%M}"


def read_day(text: str) -> date:
    """A day, YYYY-MM-DD. Raises ValueError with what to write."""
    try:
        return datetime.strptime(text, "%Y-%m-%d").date()  # noqa: DTZ007 - a day has no zone
    except ValueError:
        raise ValueError(A_DAY) from None


def read_instant(text: str) -> datetime:
    """An instant in ISO 8601; without a zone it is Taipei time, a day alone its midnight.

    Raises:
        ValueError: with what to write.
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(AN_INSTANT) from None
    if found.year not in YEARS:
        raise ValueError(A_YEAR)
    return found if found.tzinfo else found.replace(tzinfo=TAIPEI)
