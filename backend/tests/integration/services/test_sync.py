"""The path from exchange to store, end to end, against the sandbox."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest

from app.cache import quotes, values
from app.cache.keys import BARS, OHLCV, SECURITIES
from app.errors import InvalidParameter, LeaseLost, UnknownSymbol
from app.market.security import Venue
from app.services.cache_bars import cache_bars
from app.services.securities import choose_securities
from app.services.sync_daily_bars import last_days, sync_daily_bars
from app.services.sync_month_bars import months_between, sync_month_bars
from app.services.sync_quotes import sync_quotes
from app.services.sync_securities import sync_securities
from app.services.sync_some_bars import sync_some_bars
from app.sources.base import ListQuery
from app.store.engine import transaction
from app.store.securities import HeldSecurity, find_many

TAIPEI = ZoneInfo("Asia/Taipei")
FRIDAY = date(2026, 11, 20)
MONDAY = date(2026, 11, 16)


def choose(bench: Any, *symbols: str) -> list[HeldSecurity]:
    with transaction(bench.engine) as connection:
        return list(find_many(connection, symbols).values())


@pytest.mark.unlisted
def test_a_week_of_the_whole_market_is_two_requests_a_session(bench: Any) -> None:
    report = sync_daily_bars(bench.context, start=MONDAY, end=FRIDAY)

    assert report.state == "SUCCESS"
    requests = bench.sandbox.requests()
    assert sum(requests["twse"].values()) == 5
    assert sum(requests["tpex"].values()) == 5
    assert sum(requests["isin"].values()) == 3  # the lists, for none was held
    assert report.counts.expected == report.counts.fetched == report.counts.stored == 5 * (1347 + 1009)
    assert bench.number("SELECT count(*) FROM bars") == report.counts.stored
    assert bench.number("SELECT count(*) FROM securities WHERE on_list") == 1347 + 1009 + 12
    assert bench.number("SELECT count(*) FROM units WHERE state = 'SUCCESS' AND dataset = 'daily_bars'") == 10
    assert report.details["cached"] == 15
    assert len(values.get(bench.context.redis, BARS, "2330")) == 5
    assert bench.progress[-1][0] == bench.progress[-1][1]


def test_the_same_again_writes_nothing(bench: Any) -> None:
    first = sync_daily_bars(bench.context, start=FRIDAY, end=FRIDAY)
    before = bench.rows("SELECT xmin::text, * FROM bars ORDER BY session, security_id")
    second = sync_daily_bars(bench.context, start=FRIDAY, end=FRIDAY)

    assert (second.counts.stored, second.counts.unchanged) == (0, first.counts.stored)
    assert bench.rows("SELECT xmin::text, * FROM bars ORDER BY session, security_id") == before


def test_a_stored_bar_is_what_the_exchange_printed(bench: Any) -> None:
    sync_daily_bars(bench.context, start=FRIDAY, end=FRIDAY)
    page = httpx.get(
        f"http://127.0.0.1:{bench.sandbox.port}/twse/rwd/zh/afterTrading/MI_INDEX",
        params={"date": "20261120", "type": "ALLBUT0999", "response": "json"},
    ).json()
    table = next(one for one in page["tables"] if "每日收盤行情" in one.get("title", ""))
    printed = next(row for row in table["data"] if row[0] == "2330")
    held = bench.rows(
        "SELECT b.volume, b.trades, b.turnover, b.open, b.high, b.low, b.close FROM bars b "
        "JOIN securities s ON s.id = b.security_id WHERE s.symbol = '2330'"
    )[0]
    assert [f"{number:,}" for number in held[:3]] == printed[2:5]
    assert [f"{price / 10_000:,.2f}" for price in held[3:]] == printed[5:9]


def test_before_two_oclock_today_is_neither_a_gap_nor_a_failure(bench: Any) -> None:
    bench.at(datetime(2026, 11, 20, 11, 0, tzinfo=TAIPEI))
    report = sync_daily_bars(bench.context, start=date(2026, 11, 19), end=FRIDAY)

    assert report.state == "SUCCESS"
    assert bench.rows("SELECT DISTINCT session FROM bars") == [(date(2026, 11, 19),)]
    assert bench.rows("SELECT DISTINCT state FROM units WHERE session = '2026-11-20'") == [("SKIPPED",)]
    assert bench.number("SELECT count(*) FROM sessions WHERE NOT is_open") == 0


def test_a_day_on_which_the_exchange_says_nothing_is_a_closure(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    # The calendar takes 2026-11-21, a Saturday, for a session; the exchange knows better.
    from app.market import calendar

    monkeypatch.setattr(calendar, "AD_HOC", {**calendar.AD_HOC, date(2026, 11, 21): True})
    bench.at(datetime(2026, 11, 22, 21, 0, tzinfo=TAIPEI))
    report = sync_daily_bars(bench.context, start=date(2026, 11, 21), end=date(2026, 11, 21))

    assert report.state == "SUCCESS"
    assert report.counts.expected == 0
    assert bench.rows("SELECT venue, is_open, source FROM sessions ORDER BY venue") == [
        ("TPEX", False, "exchange"),
        ("TWSE", False, "exchange"),
    ]


def test_month_history_agrees_with_the_whole_market(bench: Any) -> None:
    start = date(2026, 10, 22)
    sync_daily_bars(bench.context, start=start, end=FRIDAY)
    bench.sandbox.forget_requests()
    report = sync_month_bars(bench.context, choose(bench, "2330", "6488"), start=start, end=FRIDAY)

    assert report.state == "SUCCESS", report.reason
    assert (report.counts.stored, report.details["revised"]) == (0, 0)
    assert report.counts.expected == report.counts.unchanged == 2 * 21
    assert bench.sandbox.requests()["twse"] | bench.sandbox.requests()["tpex"]
    assert sum(sum(paths.values()) for paths in bench.sandbox.requests().values()) == 4  # two securities, two months
    assert len(values.get(bench.context.redis, OHLCV, "6488")) == 21


def test_a_fragment_of_a_session_is_no_measure_for_a_reply(bench: Any) -> None:
    thursday = date(2026, 11, 19)
    sync_month_bars(bench.context, choose(bench, "2330", "2317", "6488"), start=MONDAY, end=thursday)
    report = sync_daily_bars(bench.context, start=thursday, end=FRIDAY)  # Friday first, beside a Thursday of three bars
    assert (report.state, report.reason) == ("SUCCESS", None)
    assert bench.rows("SELECT rule, session, reason FROM quarantine") == []


class Moved:
    """A client to whom TPEx no longer lists 6488, for TWSE does so from Friday on."""

    def __init__(self, client: Any) -> None:
        self.client = client

    def fetch(self, dataset: Any, query: Any) -> Any:
        parsed = self.client.fetch(dataset, query)
        if query == ListQuery(Venue.TPEX):
            return replace(parsed, rows=tuple(one for one in parsed.rows if one.symbol != "6488"))
        if query == ListQuery(Venue.TWSE):
            others = self.client.fetch(dataset, ListQuery(Venue.TPEX)).rows
            moving = next(one for one in others if one.symbol == "6488")
            return replace(parsed, rows=(*parsed.rows, replace(moving, venue=Venue.TWSE, listed_on=FRIDAY)))
        return parsed


def test_a_security_that_moves_to_the_other_venue_counts_once(bench: Any) -> None:
    old, thursday = date(2026, 8, 3), date(2026, 11, 19)  # before and within the days that a list counts anew
    counted = "SELECT venue, session, expected, held FROM coverage ORDER BY session, venue"
    for day in (old, thursday):
        sync_daily_bars(bench.context, start=day, end=day)
    before = bench.rows(counted)
    sync_securities(replace(bench.context, client=Moved(bench.context.client), lease=None))
    assert bench.rows(counted) == [
        (venue, session, expected + (1 if venue == "TWSE" else -1), held + (1 if venue == "TWSE" else -1))
        for venue, session, expected, held in before
    ]


def test_a_value_that_the_venue_changed_is_recorded_as_a_revision(bench: Any) -> None:
    sync_daily_bars(bench.context, start=FRIDAY, end=FRIDAY)
    with transaction(bench.engine) as connection:
        from sqlalchemy import text

        connection.execute(
            text(
                "UPDATE bars SET close = close + 10000 FROM securities s WHERE s.id = security_id AND s.symbol = '2330'"
            )
        )
    report = sync_month_bars(bench.context, choose(bench, "2330"), start=FRIDAY, end=FRIDAY)

    assert report.details["revised"] == 1
    revised = bench.rows("SELECT field, old - new, source, run_id FROM revisions")
    assert revised == [("close", 10000, "TWSE.month_bars", "run-1")]


def test_some_bars_take_the_way_with_fewer_requests(bench: Any) -> None:
    bench.sandbox.forget_requests()
    sync_some_bars(bench.context, choose(bench, "2330"), start=MONDAY, end=FRIDAY)
    assert sum(bench.sandbox.requests()["twse"].values()) == 1
    assert bench.number("SELECT count(*) FROM bars") == 5


def test_an_attempt_that_lost_its_lease_caches_nothing(bench: Any) -> None:
    with transaction(bench.engine) as connection:
        chosen = list(find_many(connection, ["2330", "2317"]).values())
        connection.exec_driver_sql("UPDATE runs SET attempts = 2")
    with pytest.raises(LeaseLost):
        sync_quotes(bench.context, chosen)
    assert quotes.load(bench.context.redis, now=bench.context.clock()) == []
    with pytest.raises(LeaseLost):
        cache_bars(bench.context, ["2330"], start=date(2026, 11, 1), end=date(2026, 11, 20))


def test_quotes_are_cached_in_batches(bench: Any) -> None:
    bench.sandbox.forget_requests()
    with transaction(bench.engine) as connection:
        everything = choose_securities(connection, symbols=None, universe="all", universes={})
    report = sync_quotes(bench.context, everything)

    assert report.state == "SUCCESS", report.reason
    assert report.counts.stored == 1347 + 1009
    assert sum(bench.sandbox.requests()["mis"].values()) == 30  # ⌈2,356 ÷ 80⌉
    now = bench.context.clock()
    cached = quotes.load(bench.context.redis, ["2330"], now=now)
    assert cached[0]["name"] == "台積電"
    assert quotes.load(bench.context.redis, now=now + timedelta(minutes=5)) == []


@pytest.mark.unlisted
def test_the_list_says_what_is_new_and_is_cached(bench: Any) -> None:
    report = sync_securities(bench.context)
    assert {venue: change["new"] for venue, change in report.details["changes"].items()} == {
        "TWSE": 1347,
        "TPEX": 1009,
        "EMERGING": [f"79{n:02}" for n in range(1, 13)],
    }
    assert len(values.get(bench.context.redis, SECURITIES)) == 1347 + 1009 + 12
    assert bench.number("SELECT count(*) FROM securities WHERE kind = 'warrant' OR symbol LIKE '03____'") == 0
    again = sync_securities(bench.context)
    assert again.counts.stored == 0


class TestChoosing:
    def choose(self, bench: Any, **wish: Any) -> list[str]:
        wish = {"symbols": None, "universe": None, "universes": bench.context.universes, **wish}
        with transaction(bench.engine) as connection:
            return [one.symbol for one in choose_securities(connection, **wish)]

    def test_by_symbol_in_order_each_once(self, bench: Any) -> None:
        assert self.choose(bench, symbols=["6488", "2330", "6488"]) == ["6488", "2330"]

    def test_a_universe(self, bench: Any) -> None:
        assert self.choose(bench, universe="popular_5") == ["2330", "2317", "2454", "2412", "2882"]

    def test_all_leaves_the_emerging_board_out(self, bench: Any) -> None:
        assert len(self.choose(bench)) == 1347 + 1009

    @pytest.mark.parametrize(
        ("wish", "error", "sentence"),
        [
            ({"symbols": ["2330", "9999X"]}, UnknownSymbol, "9999X"),
            ({"symbols": ["tsmc"]}, UnknownSymbol, "four to six"),
            ({"symbols": []}, InvalidParameter, "empty"),
            ({"universe": "hot"}, InvalidParameter, "popular_10"),
            ({"symbols": ["2330"], "universe": "popular"}, InvalidParameter, "not both"),
            ({"symbols": ["7901"]}, InvalidParameter, "emerging"),
        ],
    )
    def test_what_cannot_be_chosen(
        self, bench: Any, wish: dict[str, Any], error: type[Exception], sentence: str
    ) -> None:
        bench.sandbox.forget_requests()
        with pytest.raises(error, match=sentence):
            self.choose(bench, **wish)
        assert bench.sandbox.requests() == {}


def test_a_range_in_the_future_is_refused(bench: Any) -> None:
    with pytest.raises(InvalidParameter, match="future"):
        last_days(bench.context, 7, date(2026, 11, 21))
    assert last_days(bench.context, 7, None) == (date(2026, 11, 14), FRIDAY)


def test_months_between_crosses_the_year() -> None:
    assert months_between(date(2025, 11, 30), date(2026, 2, 1)) == [
        date(2025, 11, 1),
        date(2025, 12, 1),
        date(2026, 1, 1),
        date(2026, 2, 1),
    ]


def test_a_security_that_moved_venue_is_asked_of_its_own(bench: Any) -> None:
    assert {one.symbol: one.venue for one in choose(bench, "2330", "6488")} == {
        "2330": Venue.TWSE,
        "6488": Venue.TPEX,
    }
