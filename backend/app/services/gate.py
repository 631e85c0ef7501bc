"""The gate between parser and store: bars that break a rule are set aside with their cells, the others go through."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cache, lru_cache

from app.market.bar import Bar
from app.market.bar_rules import LIMITED, TICKS_SINCE, Broken, Facts, broken_by, session_fault
from app.market.calendar import TradingCalendar
from app.market.limits import FREE_SESSIONS, LIMIT_SINCE, limit_percent
from app.market.quality import FEW, RULES, Severity
from app.market.security import SecurityKind, Venue
from app.services.neighbours import strangers
from app.sources.base import Parsed, RejectedRow
from app.sources.rows import kept
from app.store import quarantine, sessions
from app.store.corporate_actions import list_actions
from app.store.engine import Connection
from app.store.securities import HeldSecurity, Listed

_YOUNG = timedelta(days=4 * FREE_SESSIONS)
"""The first sessions of a share lie within so many days of its listing, whatever holidays there are."""


@dataclass(frozen=True, slots=True)
class Passed:
    """What may be stored, what is held back, and what is only pointed at."""

    rows: tuple[Bar, ...]
    blocked: tuple[RejectedRow, ...]
    """With those of the parser. A row that breaks two rules is there twice."""
    warnings: tuple[RejectedRow, ...]
    """Of rows that may be stored."""


class Gate:
    """Judges bars by what is known of their *securities*; made once for a piece of work, as it remembers a little."""

    def __init__(self, securities: Iterable[HeldSecurity | Listed], calendar: TradingCalendar) -> None:
        self._securities = {one.symbol: one for one in securities}
        self._symbols = {one.id: one.symbol for one in self._securities.values()}
        self._listed = {one.symbol: one.listed_on for one in self._securities.values() if one.listed_on}
        self._calendar = calendar
        self._usual: dict[tuple[object, ...], dict[str, Facts]] = {}

    def judge(self, connection: Connection, parsed: Parsed[Bar], *, venue: Venue, dataset: str, today: date) -> Passed:
        """Part what *parsed* read. What a person has said of the very same row holds.

        Raises:
            TooManyInvalidRows: a whole market of one session that is another session's.
        """
        faults = self._session_faults(connection, venue, {bar.session for bar in parsed.rows}, today)
        references = self._references(connection, parsed.rows)
        usual = {day: self._usual_on(day, parsed.rounded) for day in {bar.session for bar in parsed.rows}}
        found: dict[int, list[Broken]] = {}
        strange: Mapping[int, Broken] = {}
        if len(usual) == 1 and len(parsed.rows) > FEW:
            strange = strangers(connection, parsed.rows, symbols=self._symbols, calendar=self._calendar)
        for place, bar in enumerate(parsed.rows):
            facts = self._facts(bar, usual[bar.session], parsed.rounded)
            if bar.change is None and (reference := references.get((bar.symbol, bar.session))):
                facts = replace(facts, reference=reference)
            broken = broken_by(bar, facts)
            if place in strange:
                broken.append(strange[place])
            if faults and bar.session in faults:
                broken.append(Broken("session-bounds", faults[bar.session]))
            if broken:
                found[place] = broken
        flagged = [_rejected(parsed, place, one) for place, broken in found.items() for one in broken]
        right = quarantine.called_right(connection, flagged, venue=venue, dataset=dataset) if flagged else frozenset()
        doubted = [row for number, row in enumerate(flagged) if number not in right]
        blocked = [row for row in doubted if row.severity is Severity.BLOCKING]
        out = {(row.symbol, row.session) for row in blocked}
        return Passed(
            rows=tuple(bar for bar in parsed.rows if (bar.symbol, bar.session) not in out) if out else parsed.rows,
            blocked=(*parsed.rejected, *blocked),
            warnings=tuple(row for row in doubted if (row.symbol, row.session) not in out),
        )

    def _session_faults(self, connection: Connection, venue: Venue, days: set[date], today: date) -> Mapping[date, str]:
        """The days on which there can be no bar. The exchange's own word beats the calendar's."""
        doubtful = {day for day in days if day > today or not self._calendar.is_session(day)}
        if not doubtful:
            return {}
        said = sessions.list_sessions(connection, start=min(doubtful), end=max(doubtful))
        opened = {one.session for one in said if one.is_open and one.venue is venue}
        faults = {day: session_fault(day, today=today, is_session=day in opened) for day in doubtful}
        return {day: fault for day, fault in faults.items() if fault}

    def _references(self, connection: Connection, rows: Sequence[Bar]) -> Mapping[tuple[str, date], int]:
        """The ledger's reference prices of those bars whose venue calls their change not comparable."""
        lone = [bar for bar in rows if bar.change is None and bar.close is not None]
        if not lone:
            return {}
        days = [bar.session for bar in lone]
        references: dict[tuple[str, date], int] = {}
        several = set()
        for held in list_actions(connection, start=min(days), end=max(days)):
            key = held.action.symbol, held.action.ex_date
            several.update({key} & references.keys())  # one price out of two actions: nobody tells which
            references[key] = held.action.reference_price
        return {key: price for key, price in references.items() if key not in several}

    def _usual_on(self, session: date, rounded: Mapping[str, int]) -> dict[str, Facts]:
        """The facts by symbol as they are in most sessions of that time; they are filled in as they are needed."""
        era = session >= TICKS_SINCE, session >= LIMIT_SINCE, *rounded.items()
        return self._usual.setdefault(era, {})

    def _facts(self, bar: Bar, usual: dict[str, Facts], rounded: Mapping[str, int]) -> Facts:
        since = self._listed.get(bar.symbol)
        if since and since <= bar.session < since + _YOUNG:
            return self._look(bar.symbol, bar.session, rounded, since=since)
        facts = usual.get(bar.symbol)
        if facts is None:
            facts = usual[bar.symbol] = self._look(bar.symbol, bar.session, rounded)
        return facts

    def _look(self, symbol: str, session: date, rounded: Mapping[str, int], *, since: date | None = None) -> Facts:
        security = self._securities.get(symbol)
        steps = rounded.get("volume", 1), rounded.get("turnover", 1)
        if security is None or security.kind is SecurityKind.OTHER:  # seen in bars only: nobody tells what it is
            return _facts_of(None, None, *steps)
        kind, ticks = security.kind, session >= TICKS_SINCE
        if since is None:
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
