"""The addresses of the sites and what each answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import date
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.errors import InvalidParameter
from app.market.security import Venue
from app.sandbox import finmind, holidays, isin, mis, tpex, twse, twse_figures
from app.sandbox.action_pages import ActionPages
from app.sandbox.cells import read_date, to_json
from app.sandbox.exchange import Exchange
from app.sandbox.figure_pages import FigurePages

_JSON = "application/json;charset=UTF-8"
_UNKNOWN = b"<!DOCTYPE html><html><head><title>Swagger UI</title></head><body><div id=swagger-ui></div>" + b" " * 900


def _json(value: object) -> Response:
    return Response(to_json(value), media_type=_JSON)


async def _asked(request: Request) -> dict[str, str]:
    """The parameters, from the address or a form: TPEx takes both."""
    asked = dict(request.query_params)
    if request.method == "POST":
        asked |= dict(parse_qsl((await request.body()).decode()))
    return asked


class Pages:
    """The sites over one exchange."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def routes(self) -> list[Route]:
        """Every address, below one prefix a site."""
        pages: dict[str, Callable[[Request], Awaitable[Response]]] = {
            "/twse/rwd/zh/afterTrading/MI_INDEX": self.twse_market,
            "/twse/rwd/zh/afterTrading/STOCK_DAY": self.twse_month,
            "/twse/exchangeReport/STOCK_DAY": self.twse_month,
            "/twse/rwd/zh/holidaySchedule/holidaySchedule": self.twse_holidays,
            "/twse/holidaySchedule/holidaySchedule": self.twse_holidays,
            "/twse-openapi/v1/exchangeReport/STOCK_DAY_ALL": self.openapi_market,
            "/twse-openapi/v1/holidaySchedule/holidaySchedule": self.openapi_holidays,
            # The same where a base address already ends in /v1.
            "/twse-openapi/exchangeReport/STOCK_DAY_ALL": self.openapi_market,
            "/twse-openapi/holidaySchedule/holidaySchedule": self.openapi_holidays,
            "/twse-openapi/{rest:path}": self.openapi_unknown,
            "/tpex/www/zh-tw/afterTrading/dailyQuotes": self.tpex_market,
            "/tpex/www/zh-tw/afterTrading/tradingStock": self.tpex_month,
            "/tpex/openapi/v1/tpex_mainboard_daily_close_quotes": self.tpex_latest,
            "/mis/stock/api/getStockInfo.jsp": self.quotes,
            "/mis/stock/index.jsp": self.quotes_home,
            "/isin/isin/C_public.jsp": self.securities,
            "/finmind/data": self.finmind_data,
        }
        own = [Route(path, page, methods=["GET", "POST"]) for path, page in pages.items()]
        return [*FigurePages(self._exchange).routes(), *ActionPages(self._exchange).routes(), *own]

    def _day(self, asked: dict[str, str]) -> date | None:
        """The day asked for, else the newest published one; None for no date at all."""
        text = asked.get("date", "")
        if not text:
            return self._exchange.latest()
        try:
            return self._exchange.asked_for(read_date(text))
        except InvalidParameter:
            return None

    async def twse_market(self, request: Request) -> Response:
        """MI_INDEX: the whole market of any day, without warrants."""
        asked = await _asked(request)
        kind = asked.get("type", "ALLBUT0999")
        day = self._day(asked)
        rows = self._exchange.table(day, Venue.TWSE, warrants=False) if kind in ("ALLBUT0999", "ALL", "IND") else ()
        if day and rows and kind == "IND":
            return _json(twse_figures.index_page(day, rows))
        return _json(twse.market_table(day, kind, rows) if day and rows else twse.no_data(kind))

    async def twse_month(self, request: Request) -> Response:
        """STOCK_DAY: one security's month."""
        asked = await _asked(request)
        day = self._day(asked)
        rows = self._exchange.month(asked.get("stockNo", ""), Venue.TWSE, day) if day else ()
        return _json(twse.month_table(day or date.min, rows))

    async def twse_holidays(self, request: Request) -> Response:
        """The holidaySchedule of any year; whatever the day in it."""
        text = (await _asked(request)).get("date", "")
        try:
            year = read_date(text).year if text else self._exchange.now().year
        except InvalidParameter:
            return _json(twse.no_data("holidaySchedule"))
        return _json(holidays.site_schedule(year) or {"stat": twse.NO_DATA, "total": 0})

    async def openapi_market(self, _: Request) -> Response:
        """STOCK_DAY_ALL: the newest session, whatever date is asked for."""
        return _json(twse.latest_table(self._exchange.table(self._exchange.latest(), Venue.TWSE, warrants=False)))

    async def openapi_holidays(self, _: Request) -> Response:
        """The holidaySchedule: this year's."""
        return _json(holidays.open_schedule(self._exchange.now().year))

    async def openapi_unknown(self, _: Request) -> Response:
        """What the open data site says to an unknown address: about 1 KB of HTML, status 200."""
        return Response(_UNKNOWN, media_type="text/html")

    async def tpex_market(self, request: Request) -> Response:
        """dailyQuotes: the whole market of any day, with warrants."""
        day = self._day(await _asked(request)) or self._exchange.now().date()
        return _json(tpex.market_table(day, self._exchange.table(day, Venue.TPEX, warrants=True)))

    async def tpex_month(self, request: Request) -> Response:
        """tradingStock: one security's month."""
        asked = await _asked(request)
        day = self._day(asked) or self._exchange.now().date()
        symbol = asked.get("code", "")
        return _json(tpex.month_table(day, symbol, self._exchange.month(symbol, Venue.TPEX, day)))

    async def tpex_latest(self, _: Request) -> Response:
        """tpex_mainboard_daily_close_quotes: the newest session, whatever date is asked for."""
        return _json(tpex.latest_table(self._exchange.table(self._exchange.latest(), Venue.TPEX, warrants=True)))

    async def quotes(self, request: Request) -> Response:
        """getStockInfo.jsp: quotes by the clock."""
        return Response(mis.quotes_page(self._exchange, (await _asked(request)).get("ex_ch", "")), media_type=_JSON)

    async def quotes_home(self, _: Request) -> Response:
        """The quotes' home page, which readers visit for its cookie."""
        page = Response(b"<html><body>QuantLab sandbox</body></html>", media_type="text/html")
        page.set_cookie("JSESSIONID", "QUANTLABSANDBOX")
        return page

    async def securities(self, request: Request) -> Response:
        """C_public.jsp: the securities list of a market, in Big5."""
        venue = isin.VENUES.get((await _asked(request)).get("strMode", ""))
        if venue is None:
            return Response(b"<html><body></body></html>", media_type="text/html;charset=MS950")
        page = isin.list_page(venue, self._exchange.source.listing())
        return Response(page, headers={"content-type": "text/html;charset=MS950"})

    async def finmind_data(self, request: Request) -> Response:
        """FinMind's TaiwanStockPrice: one security over a range, with some cells that are not the exchanges'."""
        status, document = finmind.answer(self._exchange, dict(request.query_params))
        return Response(to_json(document), status_code=status, media_type="application/json")
