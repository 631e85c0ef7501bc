"""FinMind's face of the sandbox: the same prices as the exchanges', but for cells that are wrong on purpose."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import date, datetime
from zlib import crc32

import httpx
import pytest

from app.sandbox.exchange import TAIPEI
from app.sandbox.faulty import App
from app.sandbox.finmind import Slip, slip
from app.sandbox.synthetic import SyntheticPrices

Ask = Callable[..., httpx.Response]
START, END = date(2026, 1, 1), date(2026, 11, 30)
NAMES = {"open": "open", "max": "high", "min": "low", "spread": "change", "Trading_turnover": "trades"}
NAMES |= {"close": "close", "Trading_Volume": "volume", "Trading_money": "turnover"}


def asked(symbol: str, **more: str) -> dict[str, str]:
    query = {"dataset": "TaiwanStockPrice", "data_id": symbol, "start_date": f"{START}", "end_date": f"{END}"}
    return query | more


@pytest.mark.parametrize("symbol", ["2330", "6488", "0050", "00632R", "5904"])
def test_it_has_the_prices_of_the_exchanges_but_for_slips(
    ask: Ask, app: App, prices: SyntheticPrices, symbol: str
) -> None:
    reply = ask(app, "/finmind/data", params=asked(symbol))
    assert (reply.status_code, reply.json()["status"], reply.json()["msg"]) == (200, 200, "success")
    assert reply.headers["x-quantlab-sandbox"] == "synthetic"
    rows = {line["date"]: line for line in reply.json()["data"]}
    true = {str(row.session): row for row in prices.history(symbol, START, date(2026, 11, 23))}
    missing = {day for day in true if crc32(f"{symbol} {day}".encode()) % 500 == 2}
    assert set(rows) == set(true) - missing, "nothing that is not published yet, and nothing that a slip left out"
    for day, line in rows.items():
        row, rest = true[day], crc32(f"{symbol} {day}".encode()) % 500
        assert (line["stock_id"], line["date"]) == (symbol, day)
        for theirs, ours in NAMES.items():
            value = getattr(row, ours)
            if row.close is None:
                assert line[theirs] == 0, "no price: every cell is 0"
            elif theirs == "close" and rest == 0:
                assert (line[theirs] != value / 10_000) == (row.low != row.high)
                assert row.low <= line[theirs] * 10_000 <= row.high
            elif theirs == "Trading_Volume" and rest == 1:
                assert 0.99 * value <= line[theirs] < value
            elif value is None:
                assert line[theirs] == 0
            elif ours in ("volume", "turnover", "trades"):
                assert line[theirs] == value
            else:
                assert line[theirs] == value / 10_000


def test_about_one_row_in_five_hundred_slips_each_way(prices: SyntheticPrices) -> None:
    days = prices.sessions(date(2016, 1, 1), END)
    symbols = [one.symbol for one in prices.listing() if one.symbol.isdecimal()][:40]
    counted = Counter(slip(symbol, day) for symbol in symbols for day in days)
    for kind in Slip:
        assert 0.8 < counted[kind] / (len(symbols) * len(days) / 500) < 1.2


def test_what_it_does_not_have(ask: Ask, make_app: Callable[[datetime], App]) -> None:
    app = make_app(datetime(2026, 11, 23, 20, 0, tzinfo=TAIPEI))
    assert ask(app, "/finmind/data", params=asked("9999")).json()["data"] == []
    assert (
        ask(app, "/finmind/data", params=asked("2330", start_date="2026-11-21", end_date="2026-11-22")).json()["data"]
        == []
    )
    for wrong in ({"dataset": "TaiwanStockPER"}, {"start_date": "soon"}, {"data_id": ""}):
        reply = ask(app, "/finmind/data", params=asked("2330", **wrong))
        assert (reply.status_code, reply.json()["status"]) == (400, 400)
