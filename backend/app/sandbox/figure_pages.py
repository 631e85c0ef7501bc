"""The addresses of the tables of figures, and from when on of its day each is published."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, time, timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.errors import InvalidParameter
from app.market.security import Venue
from app.sandbox import tpex_figures as tpex
from app.sandbox import twse_figures as twse
from app.sandbox.cells import read_date, to_json
from app.sandbox.exchange import Exchange
from app.sandbox.rows import DayRow
from app.sandbox.twse import no_data

Table = Callable[[date, Sequence[DayRow]], Any]
_JSON = "application/json;charset=UTF-8"
_TRADES, _MARGIN = time(15, 0), time(21, 0)


class FigurePages:
    """The tables over one exchange."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def routes(self) -> list[Route]:
        """Every address, below one prefix a site."""
        tables: Mapping[str, tuple[Venue, Table, time]] = {
            "/twse/rwd/zh/fund/T86": (Venue.TWSE, twse.institutional_table, _TRADES),
            "/twse/rwd/zh/marginTrading/MI_MARGN": (Venue.TWSE, self._margin(twse.margin_table), _MARGIN),
            "/twse/rwd/zh/afterTrading/BWIBBU_d": (Venue.TWSE, twse.valuation_table, _TRADES),
            "/tpex/www/zh-tw/insti/dailyTrade": (Venue.TPEX, tpex.institutional_table, _TRADES),
            "/tpex/www/zh-tw/margin/balance": (Venue.TPEX, self._margin(tpex.margin_table), _MARGIN),
            "/tpex/www/zh-tw/afterTrading/peQryDate": (Venue.TPEX, tpex.valuation_table, _TRADES),
            "/tpex/www/zh-tw/afterTrading/highlight": (Venue.TPEX, _summary, time(14, 0)),
        }
        return [Route(path, self._page(*about), methods=["GET", "POST"]) for path, about in tables.items()]

    def _page(self, venue: Venue, table: Table, published: time) -> Any:
        async def page(request: Request) -> Response:
            day = self._day(request.query_params.get("date", ""))
            early = day == self._exchange.now().date() and self._exchange.now().time() < published
            rows = () if early else self._exchange.table(day, venue, warrants=False)
            empty = venue is Venue.TWSE and not rows
            return Response(to_json(no_data("ALL") if empty else table(day, rows)), media_type=_JSON)

        return page

    def _day(self, text: str) -> date:
        try:
            return self._exchange.asked_for(read_date(text))
        except InvalidParameter:
            return self._exchange.now().date()

    def _margin(self, table: Callable[[date, Sequence[DayRow], Mapping[str, DayRow]], Any]) -> Table:
        def with_balances_before(session: date, rows: Sequence[DayRow]) -> Any:
            before = self._exchange.last_session(session - timedelta(days=1))
            return table(session, rows, self._exchange.quotes(before) if before and rows else {})

        return with_balances_before


def _summary(session: date, rows: Sequence[DayRow]) -> Any:
    return tpex.summary_page(session, rows) if rows else tpex.no_summary(session)
