"""TPEx's whole market in one session: dailyQuotes, any date."""

from __future__ import annotations

from typing import ClassVar

from app.errors import NoData, SourceChanged
from app.market.bar import Bar
from app.market.security import Venue
from app.sources import parsing
from app.sources.base import Dataset, Parsed, Request, SessionQuery, Site
from app.sources.envelope import body_date, json_object, list_of, require_count, require_date, require_ok, tables_of
from app.sources.market_table import BarLayout, read_market
from app.sources.rows import Table

LAYOUT = BarLayout(
    symbol="代號",
    prices=("開盤", "最高", "最低", "收盤"),
    change=("漲跌",),
    read_change=parsing.change,
    volume="成交股數",
    turnover="成交金額(元)",
    trades="成交筆數",
)
COLUMNS = LAYOUT.columns

_MAIN = "上櫃股票行情"


class DailyBars(Dataset[SessionQuery, Bar]):
    """Bars of all securities but warrants; volume in shares, turnover in TWD. Close stands before open."""

    name: ClassVar[str] = "daily_bars"
    venue: ClassVar[Venue | None] = Venue.TPEX

    def request(self, query: SessionQuery) -> Request:
        """Daily quotes of the session."""
        params = (("date", query.session.strftime("%Y/%m/%d")), ("id", ""), ("response", "json"))
        return Request(Site.TPEX, "/www/zh-tw/afterTrading/dailyQuotes", params)

    def parse(self, body: bytes, query: SessionQuery) -> Parsed[Bar]:
        """Bars of both tables (上櫃股票行情 and 管理股票). A closed day is ``ok`` with empty tables: NoData."""
        document = json_object(body, site=Site.TPEX)
        require_ok(document, site=Site.TPEX, asked=query.session)
        require_date(body_date(document.get("date"), site=Site.TPEX), query.session, site=Site.TPEX)
        tables = tables_of(document, site=Site.TPEX)
        read: list[Table] = []
        for table in tables:
            if table.get("date"):
                found = body_date(table["date"], site=Site.TPEX, roc=True)
                require_date(found, query.session, site=Site.TPEX)
            fields = list_of(table, "fields", site=Site.TPEX)
            lines = list_of(table, "data", site=Site.TPEX)
            require_count(table.get("totalCount"), lines, site=Site.TPEX)
            read.append(Table(fields, lines, COLUMNS, site=Site.TPEX))
        if not any(read):
            if not any(_MAIN in str(table.get("title", "")) for table in tables):
                raise SourceChanged(f"the reply of {Site.TPEX} has no table {_MAIN}", site=Site.TPEX)
            raise NoData(f"{Site.TPEX} has no data for {query.session}", site=Site.TPEX)
        return read_market(read, LAYOUT, query.session)
