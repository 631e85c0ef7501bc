"""Quotes by the clock: nothing before the open, a path in the session, the day's bar at its end."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from typing import Any

import httpx
import pytest

from app.sandbox.exchange import TAIPEI
from app.sandbox.faulty import App
from app.sandbox.intraday import moment
from app.sandbox.synthetic import SyntheticPrices

Ask = Callable[..., httpx.Response]
MONDAY = date(2026, 11, 23)


@pytest.fixture
def quote(make_app: Callable[[datetime], App], ask: Ask) -> Callable[..., dict[str, Any]]:
    def at(clock: time, channel: str = "tse_2330.tw", day: date = MONDAY) -> dict[str, Any]:
        app = make_app(datetime.combine(day, clock, tzinfo=TAIPEI))
        quotes: list[dict[str, Any]] = ask(app, f"/mis/stock/api/getStockInfo.jsp?ex_ch={channel}").json()["msgArray"]
        return quotes[0]

    return at


def test_before_the_open_there_is_no_price(quote: Callable[..., dict[str, Any]]) -> None:
    found = quote(time(8, 45))
    assert (found["d"], found["z"], found["o"], found["h"], found["l"], found["v"], found["ts"]) == (
        "20261123", "-", "-", "-", "-", "0", "1",
    )  # fmt: skip
    assert found["y"] != "-"
    assert "trade" not in found
    assert quote(time(8, 0))["d"] == "20261120"


def test_on_a_closed_day_the_last_session_is_shown(quote: Callable[..., dict[str, Any]]) -> None:
    sunday = quote(time(11, 0), day=date(2026, 11, 22))
    assert (sunday["d"], sunday["t"], sunday["ts"]) == ("20261120", "13:30:00", "0")


def test_after_the_close_it_is_the_days_bar(quote: Callable[..., dict[str, Any]], prices: SyntheticPrices) -> None:
    for row in prices.day(MONDAY)[::97]:
        market = "tse" if row.listed.security.venue == "TWSE" else "otc"
        found = quote(time(13, 30), f"{market}_{row.symbol}.tw")
        for key, value in zip("zohl", (row.close, row.open, row.high, row.low), strict=True):
            expected = "-" if value is None else f"{value / 10_000:.4f}"
            assert found[key] == expected, row
        assert int(found["v"]) == (row.volume or 0) // (
            100 if row.symbol[-1] in "KC" and row.symbol[0] == "0" else 1000
        )


def test_the_path_stays_within_the_day_and_only_grows(prices: SyntheticPrices) -> None:
    start = datetime.combine(MONDAY, time(9, 0), tzinfo=TAIPEI)
    for row in prices.day(MONDAY)[::61]:
        if row.close is None or row.high is None or row.low is None:
            continue
        before = None
        for seconds in range(0, 16_201, 97):
            state = moment(row, start + timedelta(seconds=seconds))
            assert state == moment(row, start + timedelta(seconds=seconds))
            if state.last is None or state.high is None or state.low is None or state.open is None:
                assert before is None
                continue
            assert row.low <= state.low <= min(state.last, state.open)
            assert max(state.last, state.open) <= state.high <= row.high
            if before:
                assert (state.volume, state.high, -state.low) >= (before.volume, before.high, -(before.low or 0))
                assert state.high >= (before.high or 0)
            before = state
        final = moment(row, start + timedelta(seconds=16_200))
        assert (final.last, final.high, final.low, final.volume) == (row.close, row.high, row.low, row.volume)


def test_between_two_matches_the_last_trade_is_kept_aside(quote: Callable[..., dict[str, Any]]) -> None:
    found = quote(time(13, 27))
    assert found["z"] == "-"
    assert found["trade"]["t"] == "13:25:00"
    assert found["o"] != "-"


def test_at_the_limit_one_side_of_the_book_is_empty(
    quote: Callable[..., dict[str, Any]], prices: SyntheticPrices
) -> None:
    seen = set()
    for session in prices.sessions(date(2026, 9, 1), MONDAY):
        for row in prices.day(session):
            if row.close is None or row.listed.security.venue != "TWSE":
                continue
            side = "up" if row.close == row.limit_up else "down" if row.close == row.limit_down else ""
            if not side or side in seen:
                continue
            seen.add(side)
            found = quote(time(15, 0), f"tse_{row.symbol}.tw", session)
            empty, full = ("a", "b") if side == "up" else ("b", "a")
            assert found[empty] == "-" or side == "down"
            assert found[full].endswith("_")
        if len(seen) == 2:
            break
    assert seen == {"up", "down"}


def test_no_limit_leaves_its_key_out(quote: Callable[..., dict[str, Any]]) -> None:
    bond = quote(time(15, 0), "otc_00679B.tw")
    assert bond["u"] == "9999.9500"
    assert "w" not in bond
