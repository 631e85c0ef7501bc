"""Those that republish the exchanges' data, as a referee asks them: one security over a range of days."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Protocol

from app.errors import NoData
from app.market.bar import Bar
from app.market.comparison import Tolerance
from app.sources import registry
from app.sources.base import Fetcher, RangeQuery
from app.sources.finlab import daily_bars as finlab
from app.sources.finlab.tables import FinLab
from app.sources.finmind import daily_bars as finmind


@dataclass(frozen=True, slots=True)
class Theirs:
    """What another source says of one security.

    ``known`` is the range of days of which it says anything at all (None: of none), ``unread`` are the rows that could
    not be read: their days (None where even that is unknown) and why.
    """

    bars: Mapping[date, Bar]
    fields: frozenset[str]
    known: tuple[date, date] | None
    unread: Mapping[date | None, str] = field(default_factory=dict)


class OtherSource(Protocol):
    """Who is asked. Its bars are compared, and never stored."""

    @property
    def name(self) -> str:
        """As differences are kept under."""

    @property
    def tolerances(self) -> Mapping[str, Tolerance]:
        """Of the fields that it publishes."""

    def ask(self, symbol: str, start: date, end: date) -> Theirs:
        """Its bars from *start* to *end*, both included. Raises SourceError and ConfigurationError."""


@dataclass(frozen=True, slots=True)
class FinMindBars:
    """FinMind: one request a security, whatever the range."""

    client: Fetcher
    name: str = "finmind"
    tolerances: Mapping[str, Tolerance] = field(default_factory=lambda: finmind.TOLERANCES)

    def ask(self, symbol: str, start: date, end: date) -> Theirs:
        """What TaiwanStockPrice holds."""
        fields, known = frozenset(self.tolerances), (start, end)
        try:
            parsed = self.client.fetch(registry.finmind_bars(), RangeQuery(symbol, start, end))
        except NoData:
            return Theirs({}, fields, known)
        unread = {row.session: row.reason for row in parsed.rejected}
        return Theirs({bar.session: bar for bar in parsed.rows}, fields, known, unread)


@dataclass(frozen=True, slots=True)
class FinLabBars:
    """FinLab: whole tables, fetched once, whatever is asked."""

    tables: FinLab
    name: str = finlab.SITE
    tolerances: Mapping[str, Tolerance] = field(default_factory=lambda: finlab.TOLERANCES)

    def ask(self, symbol: str, start: date, end: date) -> Theirs:
        """What the tables hold, as far as they reach."""
        tables = self.tables.tables()
        known = finlab.known_of(symbol, tables)
        bars = {day: bar for day, bar in known.bars.items() if start <= day <= end}
        reach = None if known.since is None or known.until is None else (known.since, known.until)
        return Theirs(bars, finlab.fields_of(tables), reach)
