"""The securities that the sandbox lists: the real list as shipped, and a made-up emerging board."""

from __future__ import annotations

import csv
import gzip
import io
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib import resources

from app.market.security import Security, SecurityKind, Venue, is_isin

_KINDS = {
    "股票": SecurityKind.STOCK,
    "創新板": SecurityKind.INNOVATION,
    "特別股": SecurityKind.PREFERRED,
    "ETF": SecurityKind.ETF,
    "ETN": SecurityKind.ETN,
    "臺灣存託憑證(TDR)": SecurityKind.TDR,
    "受益證券-不動產投資信託": SecurityKind.REIT,
    "受益證券-資產基礎證券": SecurityKind.ABS,
    "上市認購(售)權證": SecurityKind.WARRANT,
    "上櫃認購(售)權證": SecurityKind.WARRANT,
}

_EMERGING_NAMES = ("晶圓", "生醫", "機電", "光學", "材料", "航太", "軟體", "通訊", "綠能", "食品", "物流", "文創")

_ABROAD = (
    "美", "中國", "日", "歐", "印度", "越南", "韓", "全球", "那斯達克", "NASDAQ", "道瓊", "費城", "恒", "亞洲", "上証",
    "滬深", "新興", "北美", "標普", "原油", "黃金", "白銀", "恆生", "東協",
)  # fmt: skip
"""Words in the names of funds whose underlying is abroad."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A security with the words that its ISIN page prints: the section and the market column."""

    security: Security
    section: str
    market: str

    @property
    def symbol(self) -> str:
        """The security's symbol."""
        return self.security.symbol


@cache
def listed_securities() -> tuple[Listed, ...]:
    """Every listed, OTC and emerging security that the sandbox knows, in the order of the exchanges' pages."""
    packed = resources.files("app.sandbox").joinpath("securities.csv.gz").read_bytes()
    rows = csv.DictReader(io.StringIO(gzip.decompress(packed).decode()))
    return tuple(_listed(row) for row in rows) + tuple(_emerging())


@cache
def traded_securities() -> tuple[Listed, ...]:
    """Those with daily bars: TWSE and TPEx, sorted by symbol as the exchanges' daily tables are."""
    bars = (each for each in listed_securities() if each.security.venue is not Venue.EMERGING)
    return tuple(sorted(bars, key=lambda each: each.symbol))


@cache
def by_symbol() -> dict[str, Listed]:
    """Every security by its symbol."""
    return {each.symbol: each for each in listed_securities()}


def unlisted(symbol: str, venue: Venue = Venue.TWSE) -> Listed:
    """A security that the shipped list does not hold (any more): its symbol serves as its name."""
    return Listed(Security(symbol, symbol, venue, SecurityKind.STOCK), "股票", "上市")


def is_foreign_fund(security: Security) -> bool:
    """Whether a fund's underlying is abroad, so that it has no daily limit; the symbol or name tells most of them."""
    if security.kind not in (SecurityKind.ETF, SecurityKind.ETN):
        return False
    return any(mark in security.name for mark in _ABROAD)


def _listed(row: dict[str, str]) -> Listed:
    security = Security(
        symbol=row["symbol"],
        name=row["name"],
        venue=Venue(row["venue"]),
        kind=_KINDS[row["section"]],
        isin=row["isin"],
        listed_on=date.fromisoformat(row["listed_on"]),
        industry=row["industry"] or None,
        cfi=row["cfi"],
    )
    return Listed(security, row["section"], row["market"])


def _emerging() -> list[Listed]:
    made_up = []
    for number, name in enumerate(_EMERGING_NAMES, start=1):
        symbol = str(7900 + number)
        made_up.append(
            Listed(
                Security(
                    symbol=symbol,
                    name=f"合成興櫃{name}",
                    venue=Venue.EMERGING,
                    kind=SecurityKind.STOCK,
                    isin=next(isin for digit in range(10) if is_isin(isin := f"TW000{symbol}00{digit}")),
                    listed_on=date(2020, number, 15),
                    industry="其他業",
                    cfi="ESVUFR",
                ),
                "股票",
                "興櫃",
            )
        )
    return made_up
