"""The securities list pages of isin.twse.com.tw: one Big5 table a market, section by section."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from itertools import groupby

from app.market.security import Venue
from app.sandbox.listing import Listed

VENUES = {"2": Venue.TWSE, "4": Venue.TPEX, "5": Venue.EMERGING}
"""strMode → venue."""

_HEADER = ("有價證券代號及名稱 ", "國際證券辨識號碼(ISIN Code)", "上市日", "市場別", "產業別", "CFICode", "備註")
_TITLES = {Venue.TWSE: "上市", Venue.TPEX: "上櫃", Venue.EMERGING: "興櫃"}
_SHADE = "bgcolor=#FAFAD2"


def list_page(venue: Venue, listing: Sequence[Listed]) -> bytes:
    """The list of one venue, with a section row before each kind; MS950, code and name joined by U+3000."""
    rows: list[str] = []
    mine = (each for each in listing if each.security.venue is venue)
    for section, members in groupby(mine, key=lambda each: each.section):
        rows.append(f"<tr><td {_SHADE} colspan=7 ><B> {section} <B> </td></tr>")
        rows.extend(_row(each) for each in members)
    header = "".join(f"<td bgcolor=#D5FFD5>{cell}</td>" for cell in _HEADER)
    page = (
        '<link rel="stylesheet" href="http://isin.twse.com.tw/isin/style1.css" type="text/css">'
        f"<body><table align=center><h2><strong><font class='h1'>本國{_TITLES[venue]}證券國際證券辨識號碼一覽表"
        "</font></strong></h2></table>\n"
        "<TABLE class='h4' align=center cellSpacing=3 cellPadding=2 width=750 border=0>"
        f"<tr align=center>{header}</tr>\n" + "\n".join(rows) + "</table></body>"
    )
    return page.encode("cp950")


def _row(listed: Listed) -> str:
    security = listed.security
    listed_on = f"{security.listed_on:%Y/%m/%d}" if security.listed_on else ""
    cells = (
        f"{security.symbol}\u3000{escape(security.name)}",
        security.isin or "",
        listed_on,
        listed.market,
        security.industry or "",
        security.cfi or "",
        "",
    )
    return "<tr>" + "".join(f"<td {_SHADE}>{cell}</td>" for cell in cells) + "</tr>"
