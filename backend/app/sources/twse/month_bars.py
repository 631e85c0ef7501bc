"""One TWSE security in one month: STOCK_DAY, since 2010-01."""

from __future__ import annotations

from calendar import monthrange
from typing import ClassVar

from app.errors import NoData, SourceChanged
from app.market.bar import BAR_FIELDS, Bar
from app.market.security import Venue
from app.sources import parsing
from app.sources.bars import bar, bar_key
from app.sources.base import Dataset, MonthQuery, Parsed, Request, Site
from app.sources.envelope import body_date, json_object, list_of, require_count, require_date, require_ok
from app.sources.month import named, require_month
from app.sources.rows import Row, read_with_cells, table_rows

COLUMNS = ("日期", "成交股數", "成交金額", "開盤價", "最高價", "最低價", "收盤價", "漲跌價差", "成交筆數")


class MonthBars(Dataset[MonthQuery, Bar]):
    """Bars of each session of the month so far; a tenth column, 註記, came in 2025/26."""

    name: ClassVar[str] = "month_bars"
    venue: ClassVar[Venue | None] = Venue.TWSE

    def request(self, query: MonthQuery) -> Request:
        """STOCK_DAY for the month."""
        params = (("date", query.month.strftime("%Y%m01")), ("stockNo", query.symbol), ("response", "json"))
        return Request(Site.TWSE, "/rwd/zh/afterTrading/STOCK_DAY", params)

    def parse(self, body: bytes, query: MonthQuery) -> Parsed[Bar]:
        """Bars; volume in shares, turnover in TWD; a change of ``X0.00`` is not comparable: None."""
        document = json_object(body, site=Site.TWSE)
        last = query.month.replace(day=monthrange(query.month.year, query.month.month)[1])
        require_ok(document, site=Site.TWSE, asked=last)
        found = body_date(document.get("date"), site=Site.TWSE).replace(day=1)
        require_date(found, query.month.replace(day=1), site=Site.TWSE)
        title = str(document.get("title", "")).split()  # "113年11月 2330 台積電 各日成交資訊"
        if title and query.symbol not in title:
            found_title = " ".join(title)[:200]
            raise SourceChanged(f"{Site.TWSE} was asked for {query.symbol} and titled it {found_title}", site=Site.TWSE)

        def read(row: Row) -> Bar:
            return bar(
                query.symbol,
                require_month(parsing.roc_date(row["日期"]), query.month, site=Site.TWSE),
                prices=(row["開盤價"], row["最高價"], row["最低價"], row["收盤價"]),
                change=parsing.change(row["漲跌價差"]),
                volume=parsing.integer(row["成交股數"]),
                turnover=parsing.integer(row["成交金額"]),
                trades=parsing.integer(row["成交筆數"]),
            )

        fields = list_of(document, "fields", site=Site.TWSE)
        lines = list_of(document, "data", site=Site.TWSE)
        require_count(document.get("total"), lines, site=Site.TWSE)
        if not lines:
            raise NoData(f"{Site.TWSE} has no data of {query.symbol} for {query.month:%Y-%m}", site=Site.TWSE)
        rows, cells, rejected = read_with_cells(
            table_rows(fields, lines, COLUMNS, site=Site.TWSE),
            read,
            key=bar_key,
            session=lambda row: parsing.roc_date(row["日期"]),
        )
        return Parsed(rows=rows, cells=cells, rejected=named(rejected, query.symbol), fields=frozenset(BAR_FIELDS))
