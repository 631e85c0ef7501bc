"""What comes back. None is absent: not published, never zero. Prices are exact, in TWD; volume is in shares."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any


@dataclass(frozen=True, slots=True)
class Bar:
    """One session of one security; ``applied_factor`` is in the prices already: raw = price / it, 1 of raw ones."""

    symbol: str
    session: date
    open: Decimal | None
    high: Decimal | None
    low: Decimal | None
    close: Decimal | None
    change: Decimal | None
    volume: int | None
    turnover: int | None
    trades: int | None
    applied_factor: float

    @classmethod
    def of(cls, row: dict[str, Any]) -> Bar:
        """From a row of the server's."""
        prices = {name: decimal(row[name]) for name in ("open", "high", "low", "close", "change")}
        return cls(**{**_known(cls, row), **prices, "session": date.fromisoformat(row["session"])})


@dataclass(frozen=True, slots=True)
class Security:
    """One security, listed or not any more."""

    symbol: str
    name: str
    venue: str
    kind: str
    industry: str | None
    isin: str | None
    listed_on: date | None
    delisted_on: date | None
    on_list: bool

    @classmethod
    def of(cls, row: dict[str, Any]) -> Security:
        """From a row of the server's."""
        return cls(**{**_known(cls, row), "listed_on": day(row["listed_on"]), "delisted_on": day(row["delisted_on"])})


@dataclass(frozen=True, slots=True)
class Action:
    """One corporate action; ``ratio`` is what it makes of prices before it."""

    symbol: str
    ex_date: date
    kind: str
    previous_close: Decimal | None
    reference_price: Decimal | None
    cash_reference: Decimal | None
    ratio: float
    split_ratio: float
    note: str | None
    dataset: str
    recorded_at: datetime

    @classmethod
    def of(cls, row: dict[str, Any]) -> Action:
        """From a row of the server's."""
        prices = {name: decimal(row[name]) for name in ("previous_close", "reference_price", "cash_reference")}
        days = {"ex_date": date.fromisoformat(row["ex_date"]), "recorded_at": instant(row["recorded_at"])}
        return cls(**{**_known(cls, row), **prices, **days})


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether a day is complete, and the sentence that says so or what is missing."""

    dataset: str
    session: date
    ready: bool
    reason: str
    shares: dict[str, float | None]
    ready_at: datetime | None
    missing: tuple[str, ...] = ()
    quarantined: tuple[str, ...] = ()
    """Symbols of which no bar is there, of a day that is complete but for few: none came, or it breaks a rule."""

    @classmethod
    def of(cls, row: dict[str, Any]) -> Readiness:
        """From a reply of the server's."""
        known = {name: row[name] for name in ("dataset", "ready", "reason", "shares")}
        known |= {name: tuple(row.get(name, ())) for name in ("missing", "quarantined")}
        ready_at = None if row["ready_at"] is None else instant(row["ready_at"])
        return cls(**known, session=date.fromisoformat(row["session"]), ready_at=ready_at)


@dataclass(frozen=True, slots=True)
class Coverage:
    """One session of a dataset and venue; expected = held + quarantined + explained + missing, in securities."""

    dataset: str
    venue: str
    session: date
    expected: int
    held: int
    newer_waiting: int
    quarantined: int
    explained: dict[str, int]
    missing: int
    share: float | None
    recorded_at: datetime

    @classmethod
    def of(cls, row: dict[str, Any]) -> Coverage:
        """From a row of the server's."""
        days = {"session": date.fromisoformat(row["session"]), "recorded_at": instant(row["recorded_at"])}
        return cls(**{**_known(cls, row), **days})


@dataclass(frozen=True, slots=True)
class Figures:
    """One session of a security: whole numbers in shares or TWD, Decimal for ratios and points."""

    session: date
    values: dict[str, int | Decimal | None]

    @classmethod
    def of(cls, row: dict[str, Any]) -> Figures:
        """From a row of the server's."""
        values = {name: Decimal(value) if isinstance(value, str) else value for name, value in row["values"].items()}
        return cls(date.fromisoformat(row["session"]), values)


def decimal(text: str | None) -> Decimal | None:
    """Exact."""
    return None if text is None else Decimal(text)


def day(text: str | None) -> date | None:
    """A date."""
    return None if text is None else date.fromisoformat(text)


def instant(text: str) -> datetime:
    """Aware."""
    return datetime.fromisoformat(text)


def _known(cls: Any, row: dict[str, Any]) -> dict[str, Any]:
    """What of *row* the class knows: a newer server may tell more."""
    return {name: value for name, value in row.items() if name in cls.__slots__}
