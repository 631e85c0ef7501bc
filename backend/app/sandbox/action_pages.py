"""The addresses of the tables of corporate actions, in each venue's own form."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.errors import InvalidParameter
from app.sandbox.actions import Table
from app.sandbox.cells import compact, read_date, roc_words, to_json
from app.sandbox.exchange import Exchange
from app.sandbox.twse import NO_DATA

_JSON = "application/json;charset=UTF-8"
_TWSE = {
    Table.TWSE_DIVIDENDS: "exRight", Table.TWSE_REDUCTIONS: "reducation", Table.TWSE_PAR_CHANGES: "change",
    Table.TWSE_SPLITS: "split",
}  # fmt: skip
_TWSE_PRICES = "停止買賣前收盤價格,恢復買賣參考價,漲停價格,跌停價格,開盤競價基準"
_TPEX_PRICES = "漲停價格,跌停價格,開始交易基準價"
_TPEX_SPLITS = f"恢復買賣日期,證券代號,證券名稱,最後交易日之收盤價格,恢復買賣開始參考價,{_TPEX_PRICES},詳細資料"
_FIELDS: Mapping[Table, str] = {
    Table.TWSE_DIVIDENDS: "資料日期,股票代號,股票名稱,除權息前收盤價,除權息參考價,權值+息值,權/息,漲停價格,跌停價格,"
    "開盤競價基準,減除股利參考價,詳細資料,最近一次申報資料 季別/日期,最近一次申報每股 (單位)淨值,"
    "最近一次申報每股 (單位)盈餘",
    Table.TWSE_REDUCTIONS: f"恢復買賣日期,股票代號,名稱,{_TWSE_PRICES},除權參考價,減資原因,詳細資料",
    Table.TWSE_PAR_CHANGES: f"恢復買賣日期,股票代號,名稱,{_TWSE_PRICES},詳細資料",
    Table.TWSE_SPLITS: f"恢復買賣日期,ETF代號,名稱,分割(反分割),{_TWSE_PRICES}",
    Table.TPEX_DIVIDENDS: "除權息日期,代號,名稱,除權息前收盤價,除權息參考價,權值,息值,權值+息值,權/息,漲停價,跌停價,"
    "開始交易基準價,減除股利參考價,現金股利,每仟股無償配股,現金增資股數,現金增資認購價,公開承銷股數,員工認購股數,"
    "原股東認購股數,按持股比例仟股認購",
    Table.TPEX_REDUCTIONS: "恢復買賣日期,股票代號,名稱,最後交易日之收盤價格,減資恢復買賣開始日參考價格,"
    f"{_TPEX_PRICES},除權參考價,減資原因,詳細資料",
    Table.TPEX_PAR_CHANGES: _TPEX_SPLITS,
    Table.TPEX_SPLITS: _TPEX_SPLITS,
    Table.TPEX_REVERSE_SPLITS: _TPEX_SPLITS,
}
_NOTES = ["沙盒交易所：價格為合成或重播，並非真實行情。"]


class ActionPages:
    """The tables over one exchange: actions appear on the morning of their ex-date."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def routes(self) -> list[Route]:
        """Every address, below one prefix a site."""
        paths = {
            table: f"/twse/rwd/zh/{_TWSE[table]}/{table}" if table in _TWSE else f"/tpex/www/zh-tw/bulletin/{table}"
            for table in Table
        }
        return [Route(path, self._page(table), methods=["GET", "POST"]) for table, path in paths.items()]

    def _page(self, table: Table) -> Any:
        build = _twse_page if table in _TWSE else _tpex_page

        async def page(request: Request) -> Response:
            asked = dict(request.query_params)
            if request.method == "POST":
                asked |= dict(parse_qsl((await request.body()).decode()))
            start, end = (self._day(asked.get(name, "")) for name in ("startDate", "endDate"))
            known = min(end, self._exchange.now().date())
            lines = [list(line) for line in self._exchange.source.actions.lines(table, start, known)]
            return Response(to_json(build(table, start, end, lines)), media_type=_JSON)

        return page

    def _day(self, text: str) -> date:
        """What was asked for; today for nothing, for another name of the parameter, and for what is no date."""
        try:
            return self._exchange.asked_for(read_date(text))
        except InvalidParameter:
            return self._exchange.now().date()


def _twse_page(table: Table, start: date, end: date, lines: list[list[str]]) -> dict[str, Any]:
    first, last = compact(start), compact(end)
    body = {"fields": _FIELDS[table].split(","), "data": lines, "notes": _NOTES}
    if table is Table.TWSE_PAR_CHANGES:  # the only one that says so by an empty table
        echo = {"startDate": first, "endDate": last, "response": "json"}
        echo |= {"controller": "change", "action": table.value, "lang": "zh"}
        return {"stat": "OK", "params": echo, "title": "變更股票面額恢復買賣參考價格", **body}
    if not lines:
        return {"stat": NO_DATA}
    if table is Table.TWSE_SPLITS:
        return {"stat": "OK", "title": "ETF分割(反分割)恢復買賣參考價格", **body, "startDate": first, "endDate": last}
    what = "除權除息計算結果表" if table is Table.TWSE_DIVIDENDS else "股票減資恢復買賣參考價格"
    title = f"{roc_words(start)} 至 {roc_words(end)} {what}"
    return {"stat": "OK", "title": title, **body, "strDate": first, "endDate": last}


def _tpex_page(table: Table, start: date, end: date, lines: list[list[str]]) -> dict[str, Any]:
    fields = _FIELDS[table].split(",")
    inner = {"title": "", "totalCount": len(lines), "fields": fields, "data": lines, "summary": [], "notes": _NOTES}
    return {"date": f"{compact(start)}~{compact(end)}", "tables": [inner], "stat": "ok"}
