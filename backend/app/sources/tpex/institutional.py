"""What TPEx's institutional investors bought and sold in one session: insti/dailyTrade, in the late afternoon.

The newer table repeats 買進股數, 賣出股數 and 買賣超股數 seven times: only the place tells whose they are. The older
one names each and knows no foreign dealers.
"""

from __future__ import annotations

from datetime import time
from typing import ClassVar

from app.market.security import Venue
from app.sources.base import Request, SessionQuery, Site
from app.sources.figures import FiguresDataset
from app.sources.layouts import Cell, Layout, Sum, net, shares, traded

_PARTIES = ("foreign", "foreign_dealer", "foreign_total", "trust", "dealer_self", "dealer_hedge", "dealer")
_TOTAL = "三大法人買賣超股數合計"


def _of(party: str, place: int) -> dict[str, Cell]:
    nth = f"#{place}" if place > 1 else ""
    return {
        f"{party}_buy": shares(f"買進股數{nth}"),
        f"{party}_sell": shares(f"賣出股數{nth}"),
        f"{party}_net": net(f"買賣超股數{nth}"),
    }


NEWEST = Layout(
    "代號",
    {name: cell for place, party in enumerate(_PARTIES, 1) for name, cell in _of(party, place).items()}
    | {"total_net": net(_TOTAL)},
    order=("代號", "名稱", *("買進股數", "賣出股數", "買賣超股數") * len(_PARTIES), _TOTAL),
)
OLDER = Layout(
    "代號",
    {
        "foreign_buy": shares("外資及陸資買股數"),
        "foreign_sell": shares("外資及陸資賣股數"),
        "foreign_net": net("外資及陸資淨買股數"),
        "trust_buy": shares("投信買進股數"),
        "trust_sell": shares("投信賣股數"),
        "trust_net": net("投信淨買股數"),
        "dealer_self_buy": shares("自營商(自行買賣)買股數"),
        "dealer_self_sell": shares("自營商(自行買賣)賣股數"),
        "dealer_self_net": net("自營商(自行買賣)淨買股數"),
        "dealer_hedge_buy": shares("自營商(避險)買股數"),
        "dealer_hedge_sell": shares("自營商(避險)賣股數"),
        "dealer_hedge_net": net("自營商(避險)淨買股數"),
        "dealer_net": net("自營淨買股數"),
        "total_net": net("三大法人買賣超股數"),
    },
)


class Institutional(FiguresDataset):
    """Shares bought, sold and net, by foreign investors, investment trusts and dealers; without warrants."""

    name: ClassVar[str] = "institutional"
    venue: ClassVar[Venue | None] = Venue.TPEX
    site = Site.TPEX
    layouts = (NEWEST, OLDER)
    published_by = time(18, 0)
    sums = (
        *traded(*_PARTIES),
        *(
            Sum(f"{total}_{what}", (f"{one}_{what}", f"{other}_{what}"))
            for total, one, other in (
                ("foreign_total", "foreign", "foreign_dealer"),
                ("dealer", "dealer_self", "dealer_hedge"),
            )
            for what in ("buy", "sell", "net")
        ),
        Sum("total_net", ("foreign_net", "trust_net", "dealer_net")),
    )

    def request(self, query: SessionQuery) -> Request:
        """DailyTrade for the session; EW is everything but warrants."""
        day = f"{query.session:%Y/%m/%d}"
        params = (("type", "Daily"), ("sect", "EW"), ("date", day), ("response", "json"))
        return Request(Site.TPEX, "/www/zh-tw/insti/dailyTrade", params)
