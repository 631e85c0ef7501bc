"""One TPEx security in one month: tradingStock, whose units its own header tells."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterable, Mapping
from typing import ClassVar

from app.errors import NoData, SourceChanged
from app.market.bar import BAR_FIELDS, Bar
from app.market.security import Venue, lot_size
from app.sources import parsing
from app.sources.bars import bar, bar_key
from app.sources.base import Dataset, MonthQuery, Parsed, Request, Site
from app.sources.envelope import body_date, json_object, list_of, require_count, require_date, require_ok, tables_of
from app.sources.month import named, require_month
from app.sources.rows import Row, read_with_cells, table_rows

COLUMNS = ("日期", "開盤", "最高", "最低", "收盤", "漲跌", "筆數")


class MonthBars(Dataset[MonthQuery, Bar]):
    """Bars of each session of the month so far. Lots and thousands of TWD are declared as rounded."""

    name: ClassVar[str] = "month_bars"
    venue: ClassVar[Venue | None] = Venue.TPEX

    def request(self, query: MonthQuery) -> Request:
        """Trading history of the security for the month."""
        params = (("code", query.symbol), ("date", query.month.strftime("%Y/%m/01")), ("response", "json"))
        return Request(Site.TPEX, "/www/zh-tw/afterTrading/tradingStock", params)

    def parse(self, body: bytes, query: MonthQuery) -> Parsed[Bar]:
        """Bars; volume in shares and turnover in TWD whatever the reply's own units."""
        document = json_object(body, site=Site.TPEX)
        last = query.month.replace(day=monthrange(query.month.year, query.month.month)[1])
        require_ok(document, site=Site.TPEX, asked=last)
        found = body_date(document.get("date"), site=Site.TPEX).replace(day=1)
        require_date(found, query.month.replace(day=1), site=Site.TPEX)
        code = str(document.get("code", query.symbol)).strip()
        if code != query.symbol:
            raise SourceChanged(
                f"{Site.TPEX} was asked for {query.symbol} and answered for {code[:80]}", site=Site.TPEX
            )
        tables = tables_of(document, site=Site.TPEX)
        fields = list_of(tables[0], "fields", site=Site.TPEX)
        lines = list_of(tables[0], "data", site=Site.TPEX)
        require_count(tables[0].get("totalCount"), lines, site=Site.TPEX)
        known = {parsing.field_name(field) for field in fields}
        volume, shares = _unit(known, {"成交張數": lot_size(query.symbol), "成交仟股": 1_000, "成交股數": 1})
        turnover, dollars = _unit(known, {"成交仟元": 1_000, "成交金額(元)": 1, "成交金額": 1})
        rows = table_rows(fields, lines, COLUMNS, site=Site.TPEX)
        if not lines:
            raise NoData(f"{Site.TPEX} has no data of {query.symbol} for {query.month:%Y-%m}", site=Site.TPEX)

        def read(row: Row) -> Bar:
            return bar(
                query.symbol,
                require_month(parsing.roc_date(row["日期"]), query.month, site=Site.TPEX),
                prices=(row["開盤"], row["最高"], row["最低"], row["收盤"]),
                change=parsing.change(row["漲跌"]),
                volume=parsing.integer(row[volume], times=shares),
                turnover=parsing.integer(row[turnover], times=dollars),
                trades=parsing.integer(row["筆數"]),
            )

        values, cells, rejected = read_with_cells(
            rows, read, key=bar_key, session=lambda row: parsing.roc_date(row["日期"])
        )
        units = {"volume": shares, "turnover": dollars}
        return Parsed(
            rows=values,
            cells=cells,
            rejected=named(rejected, query.symbol),
            fields=frozenset(BAR_FIELDS),
            rounded={field: unit for field, unit in units.items() if unit > 1},
        )


def _unit(known: Iterable[str], units: Mapping[str, int]) -> tuple[str, int]:
    """The column of the units that the header has, and what one of it is worth. SourceChanged if it has none."""
    for column, worth in units.items():
        if column in known:
            return column, worth
    wanted = " / ".join(units)
    raise SourceChanged(f"the reply of {Site.TPEX} has no column {wanted}", site=Site.TPEX, column=wanted)
