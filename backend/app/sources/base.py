"""A dataset's contract: query → request → (fetch) → parse; parse is pure, bytes → values."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from app.market.quality import Severity
from app.market.security import Venue

T = TypeVar("T")
Q = TypeVar("Q")


class Site(StrEnum):
    """A host that we ask; quota and breaker are kept per site."""

    TWSE = "twse"
    TWSE_OPENAPI = "twse_openapi"
    TPEX = "tpex"
    MIS = "mis"
    ISIN = "isin"
    FINMIND = "finmind"


@dataclass(frozen=True, slots=True)
class Request:
    """What to ask: a path below the site's base address, and its parameters in order."""

    site: Site
    path: str
    params: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back, verbatim."""

    request: Request
    body: bytes
    content_type: str
    received_at: datetime


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """A row that breaks a rule, with its raw cells; bound for quarantine.

    ``parsed`` are its values where they could be read: then a person may say that they are right after all.
    """

    rule: str
    reason: str
    raw: Mapping[str, str]
    symbol: str | None = None
    session: date | None = None
    parsed: Mapping[str, Any] | None = None
    severity: Severity = Severity.BLOCKING


@dataclass(frozen=True, slots=True)
class Parsed(Generic[T]):
    """The values of one reply.

    ``fields`` are the only ones that this source publishes and may write. ``rounded`` says to which multiple
    a field was rounded by the venue (TPEx's month history gives lots): a held, finer value is then no revision.
    ``cells`` are, for each of the rows, the cells that it was read from, where a gate looks at it before it is stored.
    ``told_at`` is when an archived answer had come; None: it came just now.
    """

    rows: Sequence[T]
    rejected: tuple[RejectedRow, ...] = ()
    fields: frozenset[str] = frozenset()
    rounded: Mapping[str, int] = field(default_factory=dict)
    cells: Sequence[Mapping[str, str]] = field(default=(), compare=False, repr=False)
    told_at: datetime | None = field(default=None, compare=False)


class Dataset(ABC, Generic[Q, T]):
    """One published thing of one venue. Subclasses hold no state."""

    name: ClassVar[str]
    """The dataset's word in the registry: ``daily_bars``, ``month_bars``, ``latest_bars``, ``quotes`` …"""
    venue: ClassVar[Venue | None] = None
    """The venue whose data it is; None when it serves several."""
    warm_up: ClassVar[str | None] = None
    """A page to get first when ``parse`` raises SourceUnavailable with ``needs_warm_up``: it gives a session cookie."""

    @abstractmethod
    def request(self, query: Q) -> Request:
        """What to ask for *query*."""

    @abstractmethod
    def parse(self, body: bytes, query: Q) -> Parsed[T]:
        """The values in *body*.

        Raises NoData for a valid empty answer, WrongDate when the body is for another date than the query's,
        SourceChanged when the layout is not the known one (an added column is fine, a missing one is not),
        SourceRefused for a block page, SourceUnavailable for a body that was cut off, NotYetPublished where the
        site says so. A row that breaks a rule raises nothing: it goes to ``rejected``.
        """


class Fetcher(Protocol):
    """Who answers questions: the exchanges' sites (``http.Client``), or the archive (``replayed.ArchivedClient``)."""

    def fetch(self, dataset: Dataset[Q, T], query: Q) -> Parsed[T]:
        """The values of *query*; raises what ``Dataset.parse`` does, and what asking may raise."""
        ...


@dataclass(frozen=True, slots=True)
class SessionQuery:
    """The whole market in one session."""

    session: date


@dataclass(frozen=True, slots=True)
class MonthQuery:
    """One security in one month (any day of it)."""

    symbol: str
    month: date


@dataclass(frozen=True, slots=True)
class RangeQuery:
    """One security from *start* to *end*, both included."""

    symbol: str
    start: date
    end: date


@dataclass(frozen=True, slots=True)
class LatestQuery:
    """The newest published session, whichever it is."""


@dataclass(frozen=True, slots=True)
class QuotesQuery:
    """Quotes of at most 80 securities, each with its venue (TWSE or TPEX)."""

    securities: tuple[tuple[Venue, str], ...]


@dataclass(frozen=True, slots=True)
class ListQuery:
    """The securities list of one venue."""

    venue: Venue


@dataclass(frozen=True, slots=True)
class YearQuery:
    """One calendar year."""

    year: int


@dataclass(frozen=True, slots=True)
class PeriodQuery:
    """What happened from *start* to *end*, both included; at most a year."""

    start: date
    end: date
