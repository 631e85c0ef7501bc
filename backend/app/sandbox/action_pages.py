"""Corporate actions: the sandbox's companies pay nothing and split nothing, and each site says so in its own form."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.errors import InvalidParameter
from app.sandbox.cells import read_date, to_json
from app.sandbox.twse import NO_DATA

_JSON = "application/json;charset=UTF-8"
_TWSE = ("exRight/TWT49U", "reducation/TWTAUU", "change/TWTB8U", "split/TWTCAU")
_PRICES = "漲停價格,跌停價格,開始交易基準價"
_SPLITS = f"恢復買賣日期,證券代號,證券名稱,最後交易日之收盤價格,恢復買賣開始參考價,{_PRICES},詳細資料"
_TPEX = {
    "exDailyQ": "除權息日期,代號,名稱,除權息前收盤價,除權息參考價,權值,息值,權值+息值,權/息,漲停價,跌停價,"
    "開始交易基準價,減除股利參考價,現金股利,每仟股無償配股,現金增資股數,現金增資認購價,公開承銷股數,員工認購股數,"
    "原股東認購股數,按持股比例仟股認購",
    "revivt": f"恢復買賣日期,股票代號,名稱,最後交易日之收盤價格,減資恢復買賣開始日參考價格,{_PRICES},"
    "除權參考價,減資原因,詳細資料",
    "pvChgRslt": _SPLITS,
    "etfSplitRslt": _SPLITS,
    "etfRvsRslt": _SPLITS,
}


def routes() -> list[Route]:
    """Every address, below one prefix a site."""
    twse = [Route(f"/twse/rwd/zh/{path}", _twse, methods=["GET", "POST"]) for path in _TWSE]
    tpex = [
        Route(f"/tpex/www/zh-tw/bulletin/{name}", _tpex(fields.split(",")), methods=["GET", "POST"])
        for name, fields in _TPEX.items()
    ]
    return [*twse, *tpex]


async def _twse(_: Request) -> Response:
    return Response(to_json({"stat": NO_DATA}), media_type=_JSON)


def _tpex(fields: list[str]) -> Any:
    async def page(request: Request) -> Response:
        days = "~".join(_compact(request.query_params.get(name, "")) for name in ("startDate", "endDate"))
        table = {"title": "", "totalCount": 0, "fields": fields, "data": [], "summary": []}
        return Response(to_json({"date": days, "tables": [table], "stat": "ok"}), media_type=_JSON)

    return page


def _compact(text: str) -> str:
    try:
        return f"{read_date(text):%Y%m%d}"
    except InvalidParameter:
        return ""
