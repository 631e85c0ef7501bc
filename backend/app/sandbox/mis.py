"""The quotes of mis.twse.com.tw: text only, four decimals, absent keys rather than nulls."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from zlib import crc32

from app.market.limits import NO_LIMIT_UP, tick_size
from app.market.security import SecurityKind, Venue, lot_size
from app.sandbox.cells import compact, to_json
from app.sandbox.exchange import TAIPEI, Exchange, serve_previous
from app.sandbox.intraday import OPEN, PREOPEN, Moment, moment
from app.sandbox.rows import DayRow

_VENUES = {"tse": Venue.TWSE, "otc": Venue.TPEX}
_BLANK_LINES = b"\r\n" * 20  # as the real body starts
_PLACEHOLDER = {"tv": "-", "s": "-", "c": "", "z": "-"}  # what an unknown symbol or a wrong market yields
_INDUSTRY_CODES = {
    "水泥工業": "01", "食品工業": "02", "塑膠工業": "03", "紡織纖維": "04", "電機機械": "05", "電器電纜": "06",
    "玻璃陶瓷": "08", "造紙工業": "09", "鋼鐵工業": "10", "橡膠工業": "11", "汽車工業": "12", "建材營造業": "14",
    "航運業": "15", "觀光餐旅": "16", "金融保險業": "17", "貿易百貨業": "18", "其他業": "20", "化學工業": "21",
    "生技醫療業": "22", "油電燃氣業": "23", "半導體業": "24", "電腦及週邊設備業": "25", "光電業": "26",
    "通信網路業": "27", "電子零組件業": "28", "電子通路業": "29", "資訊服務業": "30", "其他電子業": "31",
}  # fmt: skip


def quotes_page(exchange: Exchange, channels: str) -> bytes:
    """getStockInfo.jsp for ``tse_2330.tw|otc_6488.tw``."""
    now = exchange.now()
    today = now.date()
    if not exchange.is_session(today) or now.time() < PREOPEN:
        session = exchange.last_session(today - timedelta(days=1))
    else:
        session = today
    if session and serve_previous.get():
        session = exchange.last_session(session - timedelta(days=1))
    rows = exchange.quotes(session) if session else {}
    answers = []
    for channel in channels.split("|"):
        market, _, rest = channel.partition("_")
        row = rows.get(rest.removesuffix(".tw"))
        known = row is not None and row.listed.security.venue is _VENUES.get(market)
        answers.append(_quote(row, market, now) if row is not None and known else dict(_PLACEHOLDER))
    page = {
        "msgArray": answers,
        "referer": "",
        "userDelay": 5000,
        "rtcode": "0000",
        "queryTime": {
            "sysDate": compact(today),
            "stockInfoItem": len(answers),
            "stockInfo": 50_000,
            "sessionStr": "UserSession",
            "sysTime": f"{now:%H:%M:%S}",
            "showChart": False,
            "sessionFromTime": -1,
            "sessionLatestTime": -1,
        },
        "rtmessage": "OK",
        "exKey": f"if_{channels}_zh-tw.null",
        "cachedAlive": 11_670,
    }
    return _BLANK_LINES + to_json(page)


def _price(price: int | None) -> str:
    return "-" if price is None else f"{price // 10_000}.{price % 10_000:04d}"


def _quote(row: DayRow, market: str, now: datetime) -> dict[str, Any]:
    security = row.listed.security
    state = moment(row, now)
    ended = now.date() > row.session
    simulated = not ended and now.time() < OPEN
    last = state.last if state.last is not None else row.reference
    book_bid, book_ask = _book(row, state, last)
    stamp = datetime.combine(row.session, PREOPEN if simulated else state.at, tzinfo=TAIPEI)
    fixed_price = ended or (now.hour, now.minute) >= (14, 30)
    shown = state.last if state.matched else None
    if fixed_price and state.last is not None:
        stamp = stamp.replace(hour=14, minute=30, second=0)
    record: dict[str, Any] = {
        "@": f"{security.symbol}.tw",
        "tv": str(state.match_lots) if shown is not None else "-",
        "ps": str(state.match_lots) if state.match_lots else "-",
        "pz": _price(last if simulated else state.last),
        "bp": "0",
        "a": book_ask[0],
        "b": book_bid[0],
        "c": security.symbol,
        "d": compact(row.session),
        "ch": f"{security.symbol}.tw",
        "tlong": str(int(stamp.timestamp() * 1000)),
        "f": book_ask[1],
        "ip": "0",
        "g": book_bid[1],
        "mt": "000000",
        "h": _price(state.high),
        "i": _INDUSTRY_CODES.get(security.industry or "", ""),
        "it": "12" if security.kind is not SecurityKind.ETF else "02",
        "l": _price(state.low),
        "n": security.name,
        "o": _price(state.open),
        "p": "0",
        "ex": market,
        "s": str(state.match_lots) if shown is not None else "-",
        "t": f"{PREOPEN if simulated else state.at:%H:%M:%S}",
        "v": str(state.volume // lot_size(row.symbol)),
        "nf": security.name,
        "y": _price(row.reference),
        "z": _price(shown),
        "ts": "1" if simulated else "0",
    }
    if row.limit_up is not None:
        record["u"] = _price(row.limit_up)
    if row.limit_down is not None and row.limit_up != NO_LIMIT_UP:
        record["w"] = _price(row.limit_down)
    if state.last is not None:
        # The last real trade, shown since 2026 even while z is "-".
        traded = {"t": f"{state.at:%H:%M:%S}", "v": state.match_lots, "z": _price(state.last), "ft": 20}
        record["trade"] = traded
        if fixed_price:
            record |= {"ot": "14:30:00", "oz": _price(state.last), "oa": _price(state.last), "ob": _price(state.last)}
            record |= {"ov": str(state.volume // 400_000), "fv": str(state.volume // 400_000)}
    return record


def _book(row: DayRow, state: Moment, last: int | None) -> tuple[tuple[str, str], tuple[str, str]]:
    """Five bids and asks around the last price, each as (prices, sizes); ``-`` where a side is empty."""
    if last is None or (row.bid is None and row.ask is None):
        return ("-", "-"), ("-", "-")
    kind = row.listed.security.kind
    bids: list[int] = []
    asks: list[int] = []
    bid = last
    while len(bids) < 5 and bid > 0 and (row.limit_down is None or bid >= row.limit_down):
        bids.append(bid)
        bid -= tick_size(bid - 1, kind)
    ask = last + tick_size(last, kind)
    while len(asks) < 5 and (row.limit_up is None or ask <= row.limit_up):
        asks.append(ask)
        ask += tick_size(ask, kind)
    seed = crc32(f"{row.symbol}:{state.volume}".encode())

    def side(prices: list[int], shift: int) -> tuple[str, str]:
        if not prices:
            return "-", "-"
        sizes = (1 + (seed >> (shift + at)) % 900 for at in range(len(prices)))
        return "".join(f"{_price(price)}_" for price in prices), "".join(f"{size}_" for size in sizes)

    return side(bids, 0), side(asks, 8)
