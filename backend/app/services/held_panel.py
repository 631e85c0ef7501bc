"""Everything that an export of the daily bars is made of but the bars themselves, from one state of the database."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any

from app.export.factor_panel import FactorPanel, factor_panel
from app.export.qlib.fields import RAW_FIELDS
from app.export.qlib.layout import Instrument
from app.market.adjustment import Adjustment, Factors, factors_of
from app.store import provenance, sessions
from app.store.bar_ranges import HeldRange, held_ranges, held_sessions
from app.store.corporate_actions import actions_by_security
from app.store.engine import Connection


@dataclass(frozen=True)
class HeldPanel:
    """The *ranges* of all held bars by symbol, the *calendar* of their sessions, and what *factors* adjust them."""

    ranges: list[HeldRange]
    calendar: list[date]
    source: str | None
    sessions_missing: int
    factors_by_id: Mapping[int, Factors]
    """Of each security within the range of its bars; of one without any action they are nothing."""

    @classmethod
    def read(cls, connection: Connection, adjustment: Adjustment, *, fields: Sequence[str] = RAW_FIELDS) -> HeldPanel:
        """What is held, within the connection's transaction; *fields* are those that the export has."""
        ranges = held_ranges(connection, fields=fields)
        calendar = held_sessions(connection)
        missing = 0
        if calendar:
            trading = sessions.trading_calendar(connection)
            missing = len(set(trading.sessions_between(calendar[0], calendar[-1])).difference(calendar))
        actions = actions_by_security(connection)
        factors = {
            held.id: factors_of(actions.get(held.id, ()), adjustment, first=held.first, last=held.last)
            for held in ranges
        }
        return cls(ranges, calendar, provenance.held_source(connection), missing, factors)

    @cached_property
    def bars(self) -> int:
        """How many there are."""
        return sum(held.bars for held in self.ranges)

    @cached_property
    def instruments(self) -> list[Instrument]:
        """The ranges as places in the calendar."""
        place = {session: number for number, session in enumerate(self.calendar)}
        return [Instrument(held.symbol, place[held.first], place[held.last]) for held in self.ranges]

    @cached_property
    def factors(self) -> FactorPanel:
        """The factors for arrays of bars."""
        return factor_panel(self.factors_by_id)

    def fingerprint(self, *form: object) -> str:
        """Of every value that is exported, and of the *form* in which it is.

        The same data give the same, whenever and however they were written.
        """
        digest = hashlib.sha256(json.dumps(form).encode())
        for session in self.calendar:
            digest.update(f"{session}\n".encode())
        for held in self.ranges:
            what = f"{held.symbol} {held.first} {held.last} {held.bars} {held.digest} {self.steps[held.id]}\n"
            digest.update(what.encode())
        return digest.hexdigest()

    @cached_property
    def steps(self) -> dict[int, str]:
        """The factors of each security in words: equal ones are equal."""
        return {
            security_id: " ".join(map(str, (*factors.ex_dates, *map(float, factors.values))))
            for security_id, factors in self.factors_by_id.items()
        }

    def details(self) -> dict[str, Any]:
        """What a run reports of it."""
        return {
            "counted_in": "bars",
            "securities": len(self.ranges),
            "sessions": len(self.calendar),
            "first_session": str(self.calendar[0]),
            "last_session": str(self.calendar[-1]),
            "sessions_not_held": self.sessions_missing,
            "adjusted_securities": sum(1 for factors in self.factors_by_id.values() if factors.ex_dates),
        }
