"""The instrument: its symbol, venue and kind."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from enum import StrEnum


class Venue(StrEnum):
    """Where a security trades."""

    TWSE = "TWSE"
    TPEX = "TPEX"
    EMERGING = "EMERGING"  # 興櫃: quoted on TPEx's emerging board, no daily whole-market bars there


BAR_VENUES = (Venue.TWSE, Venue.TPEX)
"""The venues that publish daily bars of their whole market."""


class SecurityKind(StrEnum):
    """What sort of instrument, as the exchanges' lists group them."""

    STOCK = "stock"
    INNOVATION = "innovation"  # 創新板
    PREFERRED = "preferred"
    ETF = "etf"
    ETN = "etn"
    TDR = "tdr"
    REIT = "reit"
    ABS = "abs"
    WARRANT = "warrant"  # never stored: 96 % of the list and gone within months
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Security:
    """One row of a venue's securities list."""

    symbol: str
    name: str
    venue: Venue
    kind: SecurityKind
    isin: str | None = None
    listed_on: date | None = None
    industry: str | None = None
    cfi: str | None = None


_SYMBOL = re.compile(r"[0-9A-Z]{4,6}")


def is_symbol(text: str) -> bool:
    """Whether *text* has the form of a symbol: four to six digits or capital letters."""
    return _SYMBOL.fullmatch(text) is not None
