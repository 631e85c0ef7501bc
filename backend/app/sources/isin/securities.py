"""The securities list of a venue: the ISIN pages, 10 MB of Big5 of which warrants are 96 %."""

from __future__ import annotations

import re
from collections.abc import Iterator
from io import BytesIO
from typing import ClassVar

from lxml import etree

from app.errors import InvalidParameter, InvalidRow, NoData, SourceChanged, SourceRefused, SourceUnavailable
from app.market.security import Security, SecurityKind, Venue, is_isin, is_warrant
from app.sources import parsing
from app.sources.bars import symbol_of
from app.sources.base import Dataset, ListQuery, Parsed, Request, Site
from app.sources.envelope import refuse_block_page
from app.sources.rows import Row, read_rows, table_rows

MODES = {Venue.TWSE: "2", Venue.TPEX: "4", Venue.EMERGING: "5"}
COLUMNS = ("有價證券代號及名稱", "國際證券辨識號碼(ISINCode)", "上市日", "市場別", "產業別", "CFICode")
_MARKETS = {Venue.TWSE: "上市", Venue.TPEX: "上櫃", Venue.EMERGING: "興櫃"}
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
_KINDS_OF_CFI = {
    "ES": frozenset({SecurityKind.STOCK, SecurityKind.INNOVATION}),
    "EP": frozenset({SecurityKind.PREFERRED}),
    "EF": frozenset({SecurityKind.PREFERRED}),
    "ED": frozenset({SecurityKind.TDR}),
    "CE": frozenset({SecurityKind.ETF}),
    "CM": frozenset({SecurityKind.ETN}),
    "CB": frozenset({SecurityKind.REIT}),
    "DA": frozenset({SecurityKind.ABS}),
    "RW": frozenset({SecurityKind.WARRANT}),
}
_INNOVATION_BOARD = "創新板"
_CFI = re.compile("[A-Z]{6}")
_FIELDS = frozenset({"name", "kind", "isin", "listed_on", "industry", "cfi"})
_SECTION = "section"


class Securities(Dataset[ListQuery, Security]):
    """All securities of one venue but warrants, with the kind that their section of the page tells."""

    name: ClassVar[str] = "securities"

    def request(self, query: ListQuery) -> Request:
        """C_public.jsp in the venue's mode."""
        if query.venue not in MODES:
            raise InvalidParameter(f"{query.venue} has no securities list")
        return Request(Site.ISIN, "/isin/C_public.jsp", (("strMode", MODES[query.venue]),))

    def parse(self, body: bytes, query: ListQuery) -> Parsed[Security]:
        """Securities. A page without any table is a refusal; one whose table does not end was cut off."""
        refuse_block_page(body, site=Site.ISIN)
        lowered = body.lower()
        if b"<table" not in lowered:
            if not body.strip():
                raise SourceUnavailable("ISIN answered with an empty body", site=Site.ISIN)
            raise SourceRefused("ISIN answered with something other than its list", site=Site.ISIN)
        if lowered.rfind(b"</table") < lowered.rfind(b"<tr"):
            raise SourceUnavailable("the list of ISIN is cut off: its table does not end", site=Site.ISIN)
        lines = _lines(body)
        fields = next((cells for _, cells in lines), [])
        if not any("有價證券代號" in one for one in fields):  # it comes first: rows before it would be lost
            raise SourceChanged(
                "the list of ISIN does not begin with 有價證券代號及名稱", site=Site.ISIN, column=COLUMNS[0]
            )
        fields = ["上市日" if one in ("上櫃日", "登錄日", "發行日") else one for one in fields]
        rows, rejected = read_rows(
            _rows(fields, lines), lambda row: _security(row, query.venue), key=lambda one: one.symbol, symbol=COLUMNS[0]
        )
        if not rows and not rejected:
            raise NoData(f"the list of {query.venue} is empty", site=Site.ISIN)
        return Parsed(rows=rows, rejected=rejected, fields=_FIELDS)


def _lines(body: bytes) -> Iterator[tuple[bool, list[str]]]:
    """Each row of the page as (is it a section's heading, its cells), read as a stream to keep memory small.

    The page is MS950, which is more than Big5 holds (碁, 銹 …); what even that lacks becomes U+FFFD.
    """
    page = BytesIO(body.decode("cp950", "replace").encode())
    for _, row in etree.iterparse(page, html=True, tag="tr", encoding="utf-8", huge_tree=True):
        cells = row.findall("td") + row.findall("th")
        yield (
            len(cells) == 1 and cells[0].get("colspan") is not None,
            ["".join(one.itertext()).strip(" \t\r\n") for one in cells],
        )
        row.clear()
        while row.getprevious() is not None:
            del row.getparent()[0]


def _rows(fields: list[str], lines: Iterator[tuple[bool, list[str]]]) -> Iterator[Row]:
    section = ""
    place = parsing.columns(fields, COLUMNS, site=Site.ISIN)[COLUMNS[0]]
    for is_heading, cells in lines:
        if is_heading:
            section = "" if "\ufffd" in cells[0] else cells[0]
        elif _KINDS.get(section) is not SecurityKind.WARRANT or not _is_warrant(cells, place):
            for row in table_rows(fields, [cells], COLUMNS, site=Site.ISIN):
                row[_SECTION] = section
                yield row


def _is_warrant(cells: list[str], place: int) -> bool:
    return place < len(cells) and is_warrant(cells[place].partition("\u3000")[0])


def _security(row: Row, venue: Venue) -> Security | None:
    code, separator, name = row[COLUMNS[0]].partition("\u3000")
    if not separator:
        raise parsing.unreadable(row[COLUMNS[0]], "a symbol and a name")
    if not row[_SECTION]:
        raise InvalidRow(f"{row[COLUMNS[0]][:80]} stands in no section, so its kind is unknown", rule="no-section")
    market = row["市場別"]
    if not market.startswith(_MARKETS[venue]):
        raise InvalidRow(f"the market {market[:80]!r} is not {_MARKETS[venue]}", rule="wrong-venue")
    symbol, kind, cfi = symbol_of(code), _KINDS.get(row[_SECTION], SecurityKind.OTHER), row["CFICode"].strip()
    _require_kind(symbol, kind, cfi=cfi, market=market)
    isin = row[COLUMNS[1]].strip()
    if isin and not is_isin(isin):
        raise parsing.unreadable(isin, "an ISIN")
    if isin.startswith("TW") and symbol not in isin:  # foreign issuers' ISINs (KYG…) do not hold the symbol
        raise InvalidRow(f"the ISIN {isin} is not of {symbol}", rule="wrong-isin")
    if cfi and _CFI.fullmatch(cfi) is None:
        raise parsing.unreadable(cfi, "a CFI code")
    return Security(
        symbol=symbol,
        name=parsing.name(name),
        venue=venue,
        kind=kind,
        isin=isin or None,
        listed_on=parsing.gregorian_date(row["上市日"]) if row["上市日"].strip() else None,
        industry=parsing.words(row["產業別"]) or None,
        cfi=cfi or None,
    )


def _require_kind(symbol: str, kind: SecurityKind, *, cfi: str, market: str) -> None:
    """The section alone tells the kind; where a heading was lost, a row stands below another one's.

    Rule: wrong-section, when the symbol, the CFI code or the market says otherwise. All rows of 2026-03-31 agree.
    """
    known = _KINDS_OF_CFI.get(cfi[:2], frozenset())
    is_innovation = kind is SecurityKind.INNOVATION
    if (
        is_warrant(symbol) != (kind is SecurityKind.WARRANT)
        or (known and kind is not SecurityKind.OTHER and kind not in known)
        or (kind in _KINDS_OF_CFI["ES"] and is_innovation != (_INNOVATION_BOARD in market))
    ):
        raise InvalidRow(f"{symbol} ({cfi[:20]}, {market[:80]}) stands in the section of {kind}", rule="wrong-section")
