"""The sandbox's tables of figures: laid out as captured, read by our parsers, and true to its own volumes."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.errors import NoData
from app.market.figures import Figures
from app.market.security import Venue
from app.sandbox.exchange import TAIPEI
from app.sandbox.faulty import App
from app.sources import registry
from app.sources.base import SessionQuery

Ask = Callable[..., httpx.Response]
FRIDAY, MONDAY = date(2026, 11, 20), date(2026, 11, 23)
NAMES = ("institutional", "margin", "valuation", "indices")
BOTH = pytest.mark.parametrize("venue", [Venue.TWSE, Venue.TPEX])


def body(ask: Ask, app: App, venue: Venue, name: str, session: date) -> bytes:
    request = registry.dataset(venue, name).request(SessionQuery(session))
    return ask(app, f"/{request.site.value}{request.path}", params=dict(request.params)).content


def read(ask: Ask, app: App, venue: Venue, name: str, session: date) -> dict[str, Figures]:
    query = SessionQuery(session)
    parsed = registry.dataset(venue, name).parse(body(ask, app, venue, name, session), query)
    assert parsed.rejected == ()
    return {row.symbol: row for row in parsed.rows}


def volumes(ask: Ask, app: App, venue: Venue, session: date) -> dict[str, int]:
    query = SessionQuery(session)
    parsed = registry.daily_bars(venue).parse(body(ask, app, venue, "daily_bars", session), query)
    return {bar.symbol: bar.volume or 0 for bar in parsed.rows}


@BOTH
def test_nobody_trades_more_than_was_traded(ask: Ask, app: App, venue: Venue) -> None:
    """The sums are the parser's own rules: a row that broke one would have been rejected."""
    traded = volumes(ask, app, venue, FRIDAY)
    rows = read(ask, app, venue, "institutional", FRIDAY)
    assert len(rows) > 0.7 * len(traded)
    for symbol, row in rows.items():
        for side in ("buy", "sell"):
            parties = ("foreign", "trust", "dealer_self", "dealer_hedge")
            assert 0 <= sum(row.values[f"{party}_{side}"] or 0 for party in parties) <= traded[symbol]


@BOTH
def test_balances_go_on_from_day_to_day(ask: Ask, make_app: Callable[[datetime], App], venue: Venue) -> None:
    app = make_app(datetime(2026, 11, 23, 22, 0, tzinfo=TAIPEI))
    traded = volumes(ask, app, venue, MONDAY)
    before, rows = (read(ask, app, venue, "margin", day) for day in (FRIDAY, MONDAY))
    assert len(rows) > 500
    for symbol, row in rows.items():
        value = {name: number or 0 for name, number in row.values.items()}
        for kind, sign in (("margin", 1), ("short", -1)):
            buy, sell, repaid, previous, balance = (
                value[f"{kind}_{what}"] for what in ("buy", "sell", "repaid", "previous", "balance")
            )
            assert previous + sign * (buy - sell) - repaid == balance
            assert max(buy, sell) <= traded[symbol]
            if symbol in before:
                assert before[symbol].values[f"{kind}_balance"] == previous


def test_the_indices_stand_in_mi_index_and_alone_alike(ask: Ask, app: App) -> None:
    whole = body(ask, app, Venue.TWSE, "daily_bars", FRIDAY)
    indices = registry.dataset(Venue.TWSE, "indices")
    assert indices.parse(whole, SessionQuery(FRIDAY)).rows == tuple(
        read(ask, app, Venue.TWSE, "indices", FRIDAY).values()
    )
    assert list(read(ask, app, Venue.TPEX, "indices", FRIDAY)) == ["TPEX"]


@BOTH
@pytest.mark.parametrize("name", NAMES)
def test_a_closed_day_has_nothing_and_a_day_reads_the_same_again(ask: Ask, app: App, name: str, venue: Venue) -> None:
    with pytest.raises(NoData):
        read(ask, app, venue, name, date(2026, 11, 22))
    assert body(ask, app, venue, name, FRIDAY) == body(ask, app, venue, name, FRIDAY)


@BOTH
def test_margin_balances_come_in_the_evening(ask: Ask, make_app: Callable[[datetime], App], venue: Venue) -> None:
    for hour, minute, published in ((20, 59, False), (21, 0, True)):
        app = make_app(datetime(2026, 11, 23, hour, minute, tzinfo=TAIPEI))
        if published:
            assert read(ask, app, venue, "margin", MONDAY)
        else:
            with pytest.raises(NoData):
                read(ask, app, venue, "margin", MONDAY)


@pytest.mark.needs_shared
@pytest.mark.parametrize(
    ("venue", "name", "file"),
    [
        (Venue.TWSE, "institutional", "twse-stocks-institutional"),
        (Venue.TPEX, "institutional", "tpex-stocks-institutional"),
        (Venue.TWSE, "margin", "twse-stocks-margin-trades"),
        (Venue.TPEX, "margin", "tpex-stocks-margin-trades"),
        (Venue.TPEX, "indices", "tpex-market-breadth"),
    ],
)
def test_laid_out_as_captured(
    ask: Ask, make_app: Callable[[datetime], App], shared_data: Path, *, venue: Venue, name: str, file: str
) -> None:
    real = json.loads((shared_data / f"node-twstock/{file}.json").read_text())
    app = make_app(datetime(2026, 11, 23, 22, 0, tzinfo=TAIPEI))
    ours = json.loads(body(ask, app, venue, name, FRIDAY))
    assert set(ours) == set(real)

    def headers(document: Any) -> list[list[str]]:
        tables = document.get("tables") or [document]
        # TWSE renamed 限額 later; the sandbox has the newer name.
        return [[one.replace("次一營業日限額", "限額") for one in table.get("fields", [])] for table in tables if table]

    assert headers(ours) == headers(real)
