"""What TWSE's institutional investors bought and sold in one session: T86, since 2012-05-02, in the late afternoon.

Its columns changed on 2014-12-01 (dealers' own account and hedging told apart) and on 2017-12-18 (foreign dealers
told apart). Before, ``foreign`` includes foreign dealers; since, it does not, and the total leaves them out:
total = foreign + trust + dealer, in all three.
"""

from __future__ import annotations

from datetime import time
from typing import ClassVar

from app.market.security import Venue
from app.sources.base import Request, SessionQuery, Site
from app.sources.figures import FiguresDataset
from app.sources.layouts import Layout, Sum, net, shares, traded

_TRUST = {
    "trust_buy": shares("投信買進股數"),
    "trust_sell": shares("投信賣出股數"),
    "trust_net": net("投信買賣超股數"),
}
_FOREIGN = {
    "foreign_buy": shares("外資買進股數"),
    "foreign_sell": shares("外資賣出股數"),
    "foreign_net": net("外資買賣超股數"),
}
_NETS = {"dealer_net": net("自營商買賣超股數"), "total_net": net("三大法人買賣超股數")}
_DEALER = {
    "dealer_self_buy": shares("自營商買進股數(自行買賣)"),
    "dealer_self_sell": shares("自營商賣出股數(自行買賣)"),
    "dealer_self_net": net("自營商買賣超股數(自行買賣)"),
    "dealer_hedge_buy": shares("自營商買進股數(避險)"),
    "dealer_hedge_sell": shares("自營商賣出股數(避險)"),
    "dealer_hedge_net": net("自營商買賣超股數(避險)"),
}
NEWEST = Layout(
    "證券代號",
    {
        "foreign_buy": shares("外陸資買進股數(不含外資自營商)"),
        "foreign_sell": shares("外陸資賣出股數(不含外資自營商)"),
        "foreign_net": net("外陸資買賣超股數(不含外資自營商)"),
        "foreign_dealer_buy": shares("外資自營商買進股數"),
        "foreign_dealer_sell": shares("外資自營商賣出股數"),
        "foreign_dealer_net": net("外資自營商買賣超股數"),
        **_TRUST,
        **_DEALER,
        **_NETS,
    },
)
UNTIL_2017 = Layout("證券代號", {**_FOREIGN, **_TRUST, **_DEALER, **_NETS})
UNTIL_2014 = Layout(
    "證券代號",
    {
        **_FOREIGN,
        **_TRUST,
        "dealer_buy": shares("自營商買進股數"),
        "dealer_sell": shares("自營商賣出股數"),
        **_NETS,
    },
)


class Institutional(FiguresDataset):
    """Shares bought, sold and net, by foreign investors, investment trusts and dealers; without warrants."""

    name: ClassVar[str] = "institutional"
    venue: ClassVar[Venue | None] = Venue.TWSE
    site = Site.TWSE
    layouts = (NEWEST, UNTIL_2017, UNTIL_2014)
    published_by = time(18, 0)
    sums = (
        *traded("foreign", "foreign_dealer", "trust", "dealer_self", "dealer_hedge", "dealer"),
        Sum("dealer_net", ("dealer_self_net", "dealer_hedge_net")),
        Sum("total_net", ("foreign_net", "trust_net", "dealer_net")),
    )

    def request(self, query: SessionQuery) -> Request:
        """T86 for the session."""
        params = (("date", f"{query.session:%Y%m%d}"), ("selectType", "ALLBUT0999"), ("response", "json"))
        return Request(Site.TWSE, "/rwd/zh/fund/T86", params)
