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


_WARRANT = re.compile(r"(?:0[3-8]|7[0-3])[0-9]{3}[0-9A-Z]")


def is_warrant(symbol: str) -> bool:
    """Whether *symbol* has the form of a warrant, callable bull/bear contracts included.

    Six characters in the ranges that the exchanges set aside for them: 03–08 on TWSE, 70–73 on TPEx, five digits
    and a digit or letter. The rule agrees with the ``type`` of all 46,725 rows of the exchanges' lists of 2026-03-31.
    """
    return _WARRANT.fullmatch(symbol) is not None


_ISIN = re.compile(r"[A-Z]{2}[0-9A-Z]{9}[0-9]")


def is_isin(text: str) -> bool:
    """Whether *text* is an ISIN whose check digit is right (ISO 6166: letters as 10–35, then Luhn's sum)."""
    if _ISIN.fullmatch(text) is None:
        return False
    digits = [int(digit) for digit in "".join(str(int(one, 36)) for one in text)]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


_FOREIGN_CURRENCY_ETF = re.compile(r"00[0-9]{3}[CK]")


def lot_size(symbol: str) -> int:
    """Shares in one lot (張): 1,000, but 100 for the foreign-currency unit of an ETF (``00625K``, ``00687C``).

    The letter alone does not tell: ``2881C`` is a preferred share and trades by the thousand.
    """
    return 100 if _FOREIGN_CURRENCY_ETF.fullmatch(symbol) else 1_000
