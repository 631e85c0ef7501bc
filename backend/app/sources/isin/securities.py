"""The securities list of a venue: the ISIN pages, 10 MB of Big5 of which warrants are 96 %."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from typing import ClassVar

from lxml import etree

from app.errors import InvalidParameter, InvalidRow, NoData, SourceChanged, SourceRefused, SourceUnavailable
from app.market.security import Security, SecurityKind, Venue
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
        fields = next((cells for _, cells in lines if any("有價證券代號" in one for one in cells)), None)
        if fields is None:
            raise SourceChanged("the page of ISIN has no column 有價證券代號及名稱", site=Site.ISIN, column=COLUMNS[0])
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
    table_rows(fields, (), COLUMNS, site=Site.ISIN)  # is every column there?
    for is_heading, cells in lines:
        if is_heading:
            section = cells[0]
        elif _KINDS.get(section) is not SecurityKind.WARRANT:
            for row in table_rows(fields, [cells], COLUMNS, site=Site.ISIN):
                row[_SECTION] = section
                yield row


def _security(row: Row, venue: Venue) -> Security | None:
    code, separator, name = row[COLUMNS[0]].partition("\u3000")
    if not separator:
        raise parsing.unreadable(row[COLUMNS[0]], "a symbol and a name")
    if not row[_SECTION]:
        raise InvalidRow(f"{row[COLUMNS[0]]} stands in no section, so its kind is unknown", rule="no-section")
    if not row["市場別"].startswith(_MARKETS[venue]):
        raise InvalidRow(f"the market {row['市場別']!r} is not {_MARKETS[venue]}", rule="wrong-venue")
    return Security(
        symbol=symbol_of(code),
        name=parsing.name(name),
        venue=venue,
        kind=_KINDS.get(row[_SECTION], SecurityKind.OTHER),
        isin=row[COLUMNS[1]].strip() or None,
        listed_on=parsing.gregorian_date(row["上市日"]) if row["上市日"].strip() else None,
        industry=row["產業別"].strip() or None,
        cfi=row["CFICode"].strip() or None,
    )
