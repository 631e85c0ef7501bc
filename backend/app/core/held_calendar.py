"""The trading calendar with the operators' overrides, for every "next fire" that is shown; beat reads its own."""

from __future__ import annotations

import time

from loguru import logger

from app.errors import QuantLabError
from app.market.calendar import TradingCalendar

_SECONDS = 2
_calendar = TradingCalendar()
_read_at = float("-inf")


def held_calendar() -> TradingCalendar:
    """The calendar of this moment, read again after two seconds: a typhoon day is heard of at once.

    While PostgreSQL is away the last known one serves: the page is shown all the same.
    """
    global _calendar, _read_at  # noqa: PLW0603 - one a process
    if time.monotonic() - _read_at >= _SECONDS:
        from app.core.wiring import get_platform  # noqa: PLC0415 - only who asks for dates needs the database

        _read_at = time.monotonic()
        try:
            _calendar = get_platform().calendar()
        except QuantLabError as error:
            _read_at = time.monotonic()  # it may have taken longer than that to fail
            logger.warning("The trading calendar's overrides are not known at present: {}", error)
    return _calendar
