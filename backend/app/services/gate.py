"""The gate between parser and store: bars that break a rule are set aside with their cells, the others go through."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cache, lru_cache

import numpy as np

from app.market.bar import ABSENT, Bar
from app.market.bar_rules import LIMITED, TICKS_SINCE, Broken, Facts, broken_by, session_fault
from app.market.bar_screen import suspects
from app.market.bar_table import BarTable, sessions_of
from app.market.calendar import TradingCalendar
from app.market.limits import FREE_SESSIONS, LIMIT_SINCE, limit_percent
from app.market.quality import FEW, RULES, Severity
from app.market.security import SecurityKind, Venue
from app.services.neighbours import strangers
from app.sources.base import Parsed, RejectedRow
from app.sources.rows import kept
from app.store import quarantine, sessions
from app.store.corporate_actions import reference_prices
from app.store.engine import Connection
from app.store.securities import HeldSecurity, Listed

_YOUNG = timedelta(days=4 * FREE_SESSIONS)
"""The first sessions of a share lie within so many days of its listing, whatever holidays there are."""


@dataclass(frozen=True, slots=True)
class Passed:
    """What may be stored, what is held back, and what is only pointed at."""

    rows: Sequence[Bar]
    blocked: tuple[RejectedRow, ...]
    """With those of the parser. A row that breaks two rules is there twice."""
    warnings: tuple[RejectedRow, ...]
    """Of rows that may be stored."""


class Gate:
    """Judges bars by what is known of their *securities*."""

    def __init__(self, securities: Iterable[HeldSecurity | Listed], calendar: TradingCalendar) -> None:
        self._securities = {one.symbol: one for one in securities}
        self._ids = {one.symbol: one.id for one in self._securities.values()}
        self._calendar = calendar

    def judge(self, connection: Connection, parsed: Parsed[Bar], *, venue: Venue, dataset: str, today: date) -> Passed:
        """Part what *parsed* read. What a person has said of the very same row holds.

        Raises:
            TooManyInvalidRows: a whole market of one session that is another session's.
        """
        days = sessions_of(parsed.rows)
        whole = len(days) == 1 and len(parsed.rows) > FEW
        found = self._broken_in_market(connection, parsed) if whole else self._broken_in_history(connection, parsed)
        if faults := self._session_faults(connection, venue, days, today):
            for place, bar in enumerate(parsed.rows):
                if bar.session in faults:
                    found.setdefault(place, []).append(Broken("session-bounds", faults[bar.session]))
        flagged = [_rejected(parsed, place, one) for place, broken in found.items() for one in broken]
        right = quarantine.called_right(connection, flagged, venue=venue, dataset=dataset) if flagged else frozenset()
        doubted = [row for number, row in enumerate(flagged) if number not in right]
        blocked = [row for row in doubted if row.severity is Severity.BLOCKING]
        out = {(row.symbol, row.session) for row in blocked}
        return Passed(
            rows=_without(parsed.rows, out) if out else parsed.rows,
            blocked=(*parsed.rejected, *blocked),
            warnings=tuple(row for row in doubted if (row.symbol, row.session) not in out),
        )

    def _broken_in_market(self, connection: Connection, parsed: Parsed[Bar]) -> dict[int, list[Broken]]:
        """The rules that bars of one session break, by their place."""
        bars = BarTable.of(parsed.rows)
        facts = [self._facts(symbol, bars.session, parsed.rounded) for symbol in bars.symbols]
        lone = np.flatnonzero((bars.values["change"] == ABSENT) & (bars.values["close"] != ABSENT)).tolist()
        references = self._references(connection, [(bars.symbols[place], bars.session) for place in lone])
        for place in lone:
            facts[place] = replace(facts[place], reference=references.get((bars.symbols[place], bars.session)))
        strange = strangers(connection, bars, ids=self._ids, calendar=self._calendar)
        judged = {place: broken_by(bars[place], facts[place]) for place in suspects(bars, facts)}
        for place, broken in sorted(strange.items()):
            judged.setdefault(place, []).append(broken)
        return {place: judged[place] for place in sorted(judged) if judged[place]}

    def _broken_in_history(self, connection: Connection, parsed: Parsed[Bar]) -> dict[int, list[Broken]]:
        """The rules that a few bars of any sessions break, by their place."""
        lone = [(bar.symbol, bar.session) for bar in parsed.rows if bar.change is None and bar.close is not None]
        references = self._references(connection, lone)
        judged = {}
        for place, bar in enumerate(parsed.rows):
            facts = self._facts(bar.symbol, bar.session, parsed.rounded)
            if reference := references.get((bar.symbol, bar.session)):
                facts = replace(facts, reference=reference)
            if broken := broken_by(bar, facts):
                judged[place] = broken
        return judged

    def _session_faults(self, connection: Connection, venue: Venue, days: set[date], today: date) -> Mapping[date, str]:
        """The days on which there can be no bar. The exchange's own word beats the calendar's."""
        doubtful = {day for day in days if day > today or not self._calendar.is_session(day)}
        if not doubtful:
            return {}
        said = sessions.list_sessions(connection, start=min(doubtful), end=max(doubtful))
        opened = {one.session for one in said if one.is_open and one.venue is venue}
        faults = {day: session_fault(day, today=today, is_session=day in opened) for day in doubtful}
        return {day: fault for day, fault in faults.items() if fault}

    def _references(self, connection: Connection, lone: Sequence[tuple[str, date]]) -> Mapping[tuple[str, date], int]:
        """The ledger's reference prices of those bars whose venue calls their change not comparable."""
        if not lone:
            return {}
        days = [day for _, day in lone]
        references: dict[tuple[str, date], int] = {}
        several = set()
        for symbol, day, price in reference_prices(connection, start=min(days), end=max(days)):
            several.update({(symbol, day)} & references.keys())  # one price out of two actions: nobody tells which
            references[symbol, day] = price
        return {key: price for key, price in references.items() if key not in several}

    def _facts(self, symbol: str, session: date, rounded: Mapping[str, int]) -> Facts:
        security = self._securities.get(symbol)
        steps = rounded.get("volume", 1), rounded.get("turnover", 1)
        if security is None or security.kind is SecurityKind.OTHER:  # seen in bars only: nobody tells what it is
            return _facts_of(None, None, *steps)
        kind, since, ticks = security.kind, security.listed_on, session >= TICKS_SINCE
        if since is None or not since <= session < since + _YOUNG:
            return _usual_facts(symbol, kind, ticks, session >= LIMIT_SINCE, *steps)
        number = len(self._calendar.sessions_between(since, session)) - 1
        percent = limit_percent(symbol, kind, sessions_since_listing=number, session=session)
        return _facts_of(kind if ticks else None, percent if kind in LIMITED else None, *steps)


@lru_cache(maxsize=1 << 14)  # of all securities, in every era: the same in each run of a worker
def _usual_facts(symbol: str, kind: SecurityKind, ticks: bool, wide: bool, *steps: int) -> Facts:
    """What holds of a security but in its first sessions; *wide* says that the limit is the later one."""
    percent = limit_percent(symbol, kind, session=LIMIT_SINCE if wide else TICKS_SINCE)
    return _facts_of(kind if ticks else None, percent if kind in LIMITED else None, *steps)


@cache
def _facts_of(kind: SecurityKind | None, percent: int | None, volume_step: int, turnover_step: int) -> Facts:
    """The same for thousands of securities: made once."""
    return Facts(kind=kind, percent=percent, volume_step=volume_step, turnover_step=turnover_step)


def _without(bars: Sequence[Bar], out: Collection[tuple[str | None, date | None]]) -> Sequence[Bar]:
    if isinstance(bars, BarTable):
        return bars.without({symbol for symbol, _ in out if symbol is not None})
    return [bar for bar in bars if (bar.symbol, bar.session) not in out]


def _rejected(parsed: Parsed[Bar], place: int, broken: Broken) -> RejectedRow:
    bar = parsed.rows[place]
    values: dict[str, object] = {name: getattr(bar, name) for name in sorted(parsed.fields)}
    if parsed.rounded:
        values["rounded"] = dict(parsed.rounded)
    return RejectedRow(
        rule=broken.rule,
        reason=broken.reason,
        raw=kept(parsed.cells[place]) if parsed.cells else {},
        symbol=bar.symbol,
        session=bar.session,
        parsed=values,
        severity=RULES[broken.rule].severity,
    )
