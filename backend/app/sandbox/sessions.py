"""The trading sessions that the synthetic exchange keeps, numbered."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from datetime import date

from exchange_calendars import exchange_calendar_xtai

from app.market.calendar import AD_HOC, TradingCalendar

ORIGIN = date(2010, 1, 4)
"""The first synthetic session. Fixed: prices are counted from it, so they do not depend on the day of asking."""


class SessionList:
    """Sessions from ORIGIN to as far as the calendar knows, numbered from 0."""

    def __init__(self, calendar: TradingCalendar | None = None) -> None:
        self._calendar = calendar or TradingCalendar()
        self._known: tuple[date, ...] = ()
        self._until = date.min

    def _upto(self, day: date) -> tuple[date, ...]:
        if day > self._until:
            self._until = date(day.year + 1, 12, 31)
            self._known = self._calendar.sessions_between(ORIGIN, self._until)
        return self._known

    def index(self, day: date) -> int | None:
        """The number of the session *day*, or None where the market is closed or before ORIGIN."""
        known = self._upto(day)
        at = bisect_left(known, day)
        return at if at < len(known) and known[at] == day else None

    def first_at_or_after(self, day: date) -> int:
        """The number of the first session on or after *day*; that of the session to come beyond the calendar."""
        return bisect_left(self._upto(day), day)

    def at(self, index: int) -> date:
        """The date of session number *index*, which was found before."""
        return self._known[index]

    def year_of(self, index: int) -> int:
        """The year of session number *index*, or of the last one known."""
        known = self._known or self._upto(ORIGIN)
        return known[min(max(index, 0), len(known) - 1)].year

    def between(self, start: date, end: date) -> tuple[date, ...]:
        """The sessions from *start* to *end*, both included."""
        known = self._upto(end)
        return known[bisect_left(known, start) : bisect_right(known, end)]


def storm_closures() -> frozenset[date]:
    """Days closed by typhoons: the holiday schedule never lists them."""
    known = frozenset(stamp.date() for stamp in exchange_calendar_xtai.typhoons)
    return known | {day for day, is_open in AD_HOC.items() if not is_open}
