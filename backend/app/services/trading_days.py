"""An operator's word on a day of the trading calendar: closed by a typhoon, open on a Saturday, or neither any more."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime

from app.errors import InvalidParameter
from app.store import sessions
from app.store.engine import Engine, transaction

LONGEST_REASON = 200

Word = Mapping[str, str | None]
"""What was said of a day, as the audit has it."""


def override_day(
    engine: Engine, day: date, *, is_open: bool, reason: str, by: str, at: datetime
) -> tuple[Word | None, Word | None]:
    """The market is open or closed that day, whatever the calendar knows; what was said before, and what is now.

    Raises:
        InvalidParameter: there is no reason that a person could read, or nobody who gives it.
    """
    reason, by = reason.strip(), by.strip()
    if not 0 < len(reason) <= LONGEST_REASON or not reason.isprintable():
        raise InvalidParameter(f"Say why, in 1 to {LONGEST_REASON} printable characters on one line.")
    if not by or not by.isprintable():
        raise InvalidParameter("Say who changes it, in printable characters.")
    with transaction(engine) as connection:
        sessions.hold_word(connection, day)
        before = sessions.override_of(connection, day)
        sessions.override(connection, day, is_open=is_open, reason=reason, by=by, at=at)
        return before, sessions.override_of(connection, day)


def forget_day(engine: Engine, day: date) -> Word | None:
    """The calendar decides again; what was said before. Raises InvalidParameter where nothing was."""
    with transaction(engine) as connection:
        sessions.hold_word(connection, day)
        before = sessions.override_of(connection, day)
        if not sessions.forget_override(connection, day):
            raise InvalidParameter(f"Nothing was said of {day} before.")
        return before
