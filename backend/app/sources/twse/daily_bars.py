"""TWSE's whole market in one session: MI_INDEX, any date since 2004-02-11, published at about 14:00."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar

from app.errors import NotYetPublished, SourceChanged
from app.market.bar import Bar
from app.market.security import Venue
from app.sources import parsing
from app.sources.base import Dataset, Parsed, Request, SessionQuery, Site
from app.sources.envelope import body_date, json_object, list_of, require_date, require_ok, title_date
from app.sources.market_table import BarLayout, read_market
from app.sources.rows import Table

LAYOUT = BarLayout(
    symbol="證券代號",
    prices=("開盤價", "最高價", "最低價", "收盤價"),
    change=("漲跌(+/-)", "漲跌價差"),
    read_change=parsing.signed_change,
    volume="成交股數",
    turnover="成交金額",
    trades="成交筆數",
)
COLUMNS = LAYOUT.columns
_TITLE = "每日收盤行情"


class DailyBars(Dataset[SessionQuery, Bar]):
    """Bars of all securities but warrants; volume in shares, turnover in TWD."""

    name: ClassVar[str] = "daily_bars"
    venue: ClassVar[Venue | None] = Venue.TWSE

    def request(self, query: SessionQuery) -> Request:
        """MI_INDEX for the session."""
        day = query.session.strftime("%Y%m%d")
        params = (("date", day), ("type", "ALLBUT0999"), ("response", "json"))
        return Request(Site.TWSE, "/rwd/zh/afterTrading/MI_INDEX", params)

    def parse(self, body: bytes, query: SessionQuery) -> Parsed[Bar]:
        """Bars in either shape of the reply: ``tables`` (since 2022/23), or ``fieldsN`` and ``dataN`` before."""
        document = json_object(body, site=Site.TWSE)
        require_ok(document, site=Site.TWSE, asked=query.session)
        require_date(body_date(document.get("date"), site=Site.TWSE), query.session, site=Site.TWSE)
        table = _closing_table(document)
        if printed := title_date(str(table.get("title", ""))):
            require_date(body_date(printed, site=Site.TWSE, roc=True), query.session, site=Site.TWSE)

        fields = list_of(table, "fields", site=Site.TWSE)
        lines = list_of(table, "data", site=Site.TWSE)
        if not lines:  # a closed day says so in stat; ok without a row can only be a day that is under way
            raise NotYetPublished(f"{Site.TWSE} has no closing prices of {query.session} yet", site=Site.TWSE)
        return read_market([Table(fields, lines, COLUMNS, site=Site.TWSE)], LAYOUT, query.session)


def _closing_table(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """The table of closing prices among all that the reply holds; its number moved over the years.

    It is known by its title, and where titles changed, by its columns: no other table is about single securities.
    """
    tables = document.get("tables")
    candidates = [t for t in tables if isinstance(t, dict)] if isinstance(tables, list) else _numbered(document)
    titled = [table for table in candidates if _TITLE in str(table.get("title", ""))]
    if len(titled) > 1:  # which of them is right?
        raise SourceChanged(f"the reply of {Site.TWSE} has {len(titled)} tables {_TITLE}", site=Site.TWSE)
    if titled:
        return titled[0]
    for table in candidates:
        fields = table.get("fields")
        if isinstance(fields, list) and {"證券代號", "收盤價"} & {parsing.field_name(field) for field in fields}:
            return table
    raise SourceChanged(f"the reply of {Site.TWSE} has no table {_TITLE}", site=Site.TWSE)


def _numbered(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    numbers = [key.removeprefix("fields") for key in document if re.fullmatch(r"fields[0-9]*", key)]
    return [
        {
            "title": document.get(f"subtitle{number}", document.get(f"title{number}", "")),
            "fields": document[f"fields{number}"],
            "data": document.get(f"data{number}"),
        }
        for number in numbers
    ]
