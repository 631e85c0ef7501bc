"""The sandbox's corporate actions: in the exchanges' own form, and true of its own bars."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from datetime import date, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.market.corporate_action import ActionKind, CorporateAction
from app.market.limits import price_limits
from app.market.security import Venue
from app.sandbox.actions import Action
from app.sandbox.exchange import TAIPEI
from app.sandbox.faulty import App
from app.sandbox.listing import is_foreign_fund
from app.sandbox.replay import ReplayedPrices
from app.sandbox.rows import Comparison
from app.sandbox.server import create_app, fixed_clock
from app.sandbox.synthetic import SyntheticPrices
from app.sources import registry
from app.sources.base import PeriodQuery

Ask = Callable[..., httpx.Response]
YEAR = PeriodQuery(date(2026, 1, 1), date(2026, 11, 23))
RARE = (ActionKind.REDUCTION, ActionKind.PAR_CHANGE, ActionKind.SPLIT, ActionKind.REVERSE_SPLIT)
EX = {
    ActionKind.DIVIDEND: (Comparison.EX_DIVIDEND, "除息"),
    ActionKind.RIGHTS: (Comparison.EX_RIGHTS, "除權"),
    ActionKind.DIVIDEND_AND_RIGHTS: (Comparison.EX_BOTH, "除權息"),
}
DATASETS = [
    (Venue.TWSE, "dividends", "node-twstock/twse-stocks-dividends.json"),
    (Venue.TWSE, "reductions", "node-twstock/twse-stocks-capital-reductions.json"),
    (Venue.TWSE, "par_changes", "twse-money-flow/rwd_TWTB8U_par_change_2020_2026.json"),
    (Venue.TWSE, "etf_splits", "twse-money-flow/rwd_TWTCAU_etf_split_2020_2026.json"),
    (Venue.TPEX, "dividends", "node-twstock/tpex-stocks-dividends.json"),
    (Venue.TPEX, "reductions", "node-twstock/tpex-stocks-capital-reductions.json"),
    (Venue.TPEX, "par_changes", "node-twstock/tpex-stocks-splits.json"),
    (Venue.TPEX, "etf_splits", "node-twstock/tpex-stocks-etf-splits.json"),
    (Venue.TPEX, "etf_reverse_splits", "node-twstock/tpex-stocks-etf-reverse-splits.json"),
]


def reply(app: App, ask: Ask, venue: Venue, name: str, query: PeriodQuery) -> bytes:
    """As a client that read the address off the dataset would get it."""
    request = registry.dataset(venue, name).request(query)
    return ask(app, f"/{venue.lower()}{request.path}", params=dict(request.params)).content


@pytest.fixture(scope="module")
def happened(prices: SyntheticPrices) -> list[Action]:
    return list(prices.happened(YEAR.start, YEAR.end))


@pytest.mark.parametrize(("venue", "name", "_"), [one for one in DATASETS if one[1] != "etf_reverse_splits"])
def test_the_replies_are_read_as_what_happened(
    app: App, ask: Ask, happened: list[Action], venue: Venue, name: str, _: str
) -> None:
    parsed = registry.dataset(venue, name).parse(reply(app, ask, venue, name, YEAR), YEAR)
    assert parsed.rejected == ()
    kinds = {"dividends": EX, "reductions": RARE[:1], "par_changes": RARE[1:2], "etf_splits": RARE[2:]}[name]
    ours = [one for one in happened if one.listed.security.venue is venue and one.kind in kinds]
    assert ours
    assert [(one.symbol, one.ex_date, one.kind) for one in parsed.rows] == [
        (one.listed.symbol, one.session, one.kind) for one in ours
    ]
    for read, true in zip(parsed.rows, ours, strict=True):
        assert (read.previous_close, read.reference_price) == (true.previous_close, true.reference)
        if read.cash_reference is not None:
            assert read.cash_reference == true.previous_close - true.cash
        if venue is Venue.TPEX and true.free_shares:
            assert abs(read.split_ratio * (1000 + true.free_shares) / 1000 - 1) < 0.01


def test_each_is_true_of_the_bars_around_it(prices: SyntheticPrices, happened: list[Action]) -> None:
    for one in [action for action in happened if action.kind in RARE] + happened[::23]:
        first = one.halted_on or one.session
        before = prices.history(one.listed.symbol, date(2025, 6, 1), first)[-2]
        resting = prices.history(one.listed.symbol, first, one.session)[:-1]
        (row,) = prices.history(one.listed.symbol, one.session, one.session)
        assert before.close == one.previous_close
        assert (row.reference, row.limit_up, row.limit_down) == (one.reference, one.limit_up, one.limit_down)
        assert row.close is not None
        assert row.change is None
        assert row.comparison is (EX[one.kind][0] if one.kind in EX else Comparison.NOT_COMPARABLE)
        assert all(silent.close is None and not silent.volume for silent in resting)
        assert bool(resting) is (one.kind in RARE)
        security = one.listed.security
        if not is_foreign_fund(security) and security.symbol[-1:].isdigit():
            limits = price_limits(one.reference, security.kind)
            assert (one.limit_up, one.limit_down) == (limits.up, limits.down)


def test_a_price_times_its_factor_is_continuous(prices: SyntheticPrices, happened: list[Action]) -> None:
    for one in [action for action in happened if action.kind in RARE]:
        days = prices.history(one.listed.symbol, date(2025, 6, 1), date(2027, 2, 28))
        factor = one.reference / one.previous_close
        assert not 0.85 < factor < 1.15
        others = {a.session for a in prices.happened(date(2025, 6, 1), date(2027, 2, 28)) if a.listed == one.listed}
        closes = [(row.session, row.close * (factor if row.session < one.session else 1)) for row in days if row.close]
        for (_, close), (session, after) in pairwise(closes):
            assert session in others - {one.session} or abs(after / close - 1) < 0.103, (one, session)


def test_each_year_has_some_of_each_and_a_few_rights(prices: SyntheticPrices) -> None:
    for year in range(2012, 2027):
        kinds = Counter(one.kind for one in prices.happened(date(year, 1, 1), date(year, 12, 31)))
        assert kinds[ActionKind.REDUCTION] >= 1
        assert kinds[ActionKind.PAR_CHANGE] >= 1
        assert kinds[ActionKind.SPLIT] + kinds[ActionKind.REVERSE_SPLIT] >= 1
        assert 10 < kinds[ActionKind.RIGHTS] + kinds[ActionKind.DIVIDEND_AND_RIGHTS] < kinds[ActionKind.DIVIDEND] / 3
        assert kinds[ActionKind.DIVIDEND] > 300


def test_the_seed_decides(prices: SyntheticPrices, happened: list[Action]) -> None:
    assert list(SyntheticPrices(seed=7).happened(YEAR.start, YEAR.end)) == happened
    assert list(SyntheticPrices(seed=8).happened(YEAR.start, YEAR.end)) != happened
    split = [one for one in happened if date(2026, 7, 1) <= one.session <= date(2026, 7, 31)]
    assert list(prices.happened(date(2026, 7, 1), date(2026, 7, 31))) == split
    assert prices.happened(date(2026, 7, 4), date(2026, 7, 5)) == ()


def test_the_daily_tables_mark_the_day(app: App, ask: Ask, happened: list[Action]) -> None:
    session = next(one.session for one in happened if one.kind is ActionKind.DIVIDEND_AND_RIGHTS)
    marks = {one.listed.symbol: EX[one.kind][1] for one in happened if one.session == session and one.kind in EX}
    tpex = ask(app, f"/tpex/www/zh-tw/afterTrading/dailyQuotes?date={session:%Y/%m/%d}").json()
    shown = {row[0]: row[3].strip() for table in tpex["tables"] for row in table["data"] if "除" in row[3]}
    twse = ask(app, f"/twse/rwd/zh/afterTrading/MI_INDEX?date={session:%Y%m%d}&type=ALLBUT0999").json()
    signs = {row[0]: (row[9], row[10]) for row in twse["tables"][8]["data"]}
    assert {symbol: mark for symbol, mark in marks.items() if symbol not in signs} == shown
    assert {signs[symbol] for symbol in marks if symbol in signs} <= {("<p>X</p>", "0.00")}


@pytest.mark.needs_shared
@pytest.mark.parametrize("dataset", DATASETS, ids=lambda one: "_".join(one[:2]))
def test_the_tables_are_laid_out_as_captured(
    app: App, ask: Ask, shared_data: Path, dataset: tuple[Venue, str, str]
) -> None:
    venue, name, file = dataset

    def table(document: Any) -> Any:
        return document["tables"][0] if "tables" in document else document

    real = json.loads((shared_data / file).read_text())
    ours = json.loads(reply(app, ask, venue, name, YEAR))
    assert table(ours)["fields"] == table(real)["fields"]
    assert set(ours) <= set(real) | {"notes"}
    assert set(real) <= set(ours) | {"extraNotes", "formula"}
    assert ours["stat"] == real["stat"]
    assert all(len(row) == len(table(real)["fields"]) for row in table(ours)["data"])


def test_nothing_is_said_as_the_venues_say_it(app: App, ask: Ask) -> None:
    weekend = PeriodQuery(date(2026, 11, 21), date(2026, 11, 22))
    for venue, name, _ in DATASETS:
        said = json.loads(reply(app, ask, venue, name, weekend))
        if venue is Venue.TPEX:
            assert (said["stat"], said["date"], said["tables"][0]["data"]) == ("ok", "20261121~20261122", [])
        elif name == "par_changes":
            assert (said["stat"], said["data"]) == ("OK", [])
        else:
            assert said == {"stat": "很抱歉，沒有符合條件的資料!"}


def test_strdate_is_no_parameter_and_the_future_is_not_told(app: App, ask: Ask, make_app: Any) -> None:
    path = "/twse/rwd/zh/change/TWTB8U"
    said = ask(app, path, params={"strDate": "20260101", "endDate": "20261123"}).json()
    assert said["params"]["startDate"] == "20261123"
    monday = make_app(datetime(2026, 7, 6, 8, 0, tzinfo=TAIPEI))
    july = PeriodQuery(date(2026, 7, 1), date(2026, 7, 31))
    parsed = registry.dataset(Venue.TPEX, "dividends").parse(reply(monday, ask, Venue.TPEX, "dividends", july), july)
    assert max(one.ex_date for one in parsed.rows) == date(2026, 7, 6)


@pytest.mark.needs_shared
def test_a_replayed_panel_comes_with_the_real_actions(shared_data: Path, ask: Ask) -> None:
    panel = ReplayedPrices(shared_data / "panels/twse_daily_2023-03_2024-07.parquet")
    app = create_app(panel, clock=fixed_clock(datetime(2026, 11, 23, 20, 0, tzinfo=TAIPEI)))
    expected = {
        "etf_splits": CorporateAction("0050", date(2025, 6, 18), ActionKind.SPLIT, 1_886_500, 471_600),
        "par_changes": CorporateAction("2327", date(2025, 8, 25), ActionKind.PAR_CHANGE, 5_460_000, 1_365_000),
    }
    query = PeriodQuery(date(2025, 6, 1), date(2025, 9, 30))
    for name, action in expected.items():
        assert action in registry.dataset(Venue.TWSE, name).parse(reply(app, ask, Venue.TWSE, name, query), query).rows
    query = PeriodQuery(date(2024, 1, 1), date(2024, 6, 28))
    counts = {(Venue.TWSE, "dividends"): 2, (Venue.TWSE, "reductions"): 3}
    counts |= {(Venue.TPEX, "dividends"): 3, (Venue.TPEX, "reductions"): 2}
    for (venue, name), count in counts.items():
        assert len(registry.dataset(venue, name).parse(reply(app, ask, venue, name, query), query).rows) == count
    assert json.loads(reply(app, ask, Venue.TPEX, "etf_splits", query))["tables"][0]["data"] == []
