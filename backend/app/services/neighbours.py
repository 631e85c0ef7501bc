"""Bars of a whole market held against the sessions beside theirs: another day's answer, or rows that changed places."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date

import numpy as np

from app.errors import TooManyInvalidRows
from app.market.bar import ABSENT
from app.market.bar_rules import Broken
from app.market.bar_table import BarTable, Ints
from app.market.calendar import TradingCalendar
from app.market.continuity import Beside, compare, sessions_beside
from app.store.bar_reads import read_panel
from app.store.corporate_actions import list_actions
from app.store.engine import Connection


def strangers(
    connection: Connection, rows: BarTable, *, ids: Mapping[str, int], calendar: TradingCalendar
) -> dict[int, Broken]:
    """The places of *rows* that do not go on where what is held beside them ended.

    *ids* by symbol; what has none is not held. A day with a corporate action is not compared. Of two sessions beside
    it one may be wrong itself: the reply is believed when it fits the other.

    Raises:
        TooManyInvalidRows: most rows fit neither: they are another session's.
    """
    day = rows.session
    numbers = np.array([ids.get(symbol, 0) for symbol in rows.symbols], np.int64)
    found = [compare(rows, beside) for beside in _beside(connection, day, numbers, calendar)]
    doubting = [one for one in found if one.doubts]
    if doubting and not any(one.vouches for one in found):
        session, broken = doubting[0].beside.session, doubting[0].broken
        first = next(iter(broken))
        message = (
            f"{len(broken)} of {doubting[0].compared} rows of {day} do not fit those of {session}: they are another "
            f"session's, and nothing of this reply is stored. The first, {rows.symbols[first]}: {broken[first].reason}"
        )
        raise TooManyInvalidRows(message, rule="previous-close")
    pointed = [one for one in found if one.broken and not one.doubts]
    if not pointed:
        return {}
    acted = _ex_dates(connection, [day, *(one.beside.session for one in pointed)])
    return {
        place: broken
        for one in pointed
        for place, broken in one.broken.items()
        if (rows.symbols[place], day if one.beside.before else one.beside.session) not in acted
    }


def _beside(connection: Connection, day: date, ids: Ints, calendar: TradingCalendar) -> Iterator[Beside]:
    """*ids* in the order of the bars, at least one."""
    for session, before in zip(sessions_beside(day, calendar), (True, False), strict=True):
        if session is None:
            continue
        prices = np.full(len(ids), ABSENT, np.int64)
        for part in read_panel(connection, start=session, end=session, fields=("close", "change")):
            close, change = part.values["close"], part.values["change"]
            known = close != ABSENT if before else (close != ABSENT) & (change != ABSENT)
            given = np.where(known, close if before else close - change, ABSENT)
            place = np.searchsorted(part.ids[:-1], ids)
            prices = np.where(part.ids[place] == ids, given[place], prices)
        yield Beside(session, before, prices)


def _ex_dates(connection: Connection, days: Sequence[date]) -> set[tuple[str, date]]:
    held = list_actions(connection, start=min(days), end=max(days))
    return {(one.action.symbol, one.action.ex_date) for one in held}
