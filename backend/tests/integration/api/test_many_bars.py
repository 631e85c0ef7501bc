"""Bars of many securities: every form has the numbers of the endpoint of one, and pages have each bar once."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import polars as pl
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.api import many_bars
from app.core.wiring import Platform
from app.market.bar import BAR_FIELDS, Bar
from app.market.corporate_action import ActionKind, CorporateAction
from app.market.security import Venue
from app.store.bars import write_bars
from app.store.corporate_actions import write_actions
from app.store.engine import transaction
from app.store.securities import register_unlisted
from tests.integration.conftest import NOW

if TYPE_CHECKING:
    from tests.integration.api.conftest import Web

PATH = "/api/v1/bars"
DAY = date(2026, 3, 2)
SYMBOLS = ("0050", "00687C", "2317", "2330")


def store(platform: Platform, *bars: Bar, at: datetime = NOW) -> None:
    with transaction(platform.engine) as connection:
        register_unlisted(connection, Venue.TWSE, dict.fromkeys(SYMBOLS, "名"), at=NOW)
        write_bars(connection, bars, fields=BAR_FIELDS, source="test", run_id=None, at=at)


def act(platform: Platform, *actions: CorporateAction, at: datetime = NOW) -> None:
    """A source of each instant: none takes back what another had."""
    with transaction(platform.engine) as connection:
        period = (date(2026, 1, 1), date(2026, 12, 31))
        write_actions(connection, actions, period=period, source=f"test {at}", run_id=None, at=at)


def good(web: Web, **query: Any) -> httpx.Response:
    reply = web.get(PATH, params=query)
    assert reply.status_code == 200, reply.text
    assert reply.headers["X-QuantLab-Prices"] == "synthetic"
    return reply


def of_one(web: Web, symbol: str, **query: Any) -> list[dict[str, Any]]:
    reply = web.get(f"{PATH}/{symbol}", params={"limit": 10_000, **query})
    assert reply.status_code == 200, reply.text
    return [{"symbol": symbol, **row} for row in reply.json()["bars"]]


def table(reply: httpx.Response) -> list[dict[str, Any]]:
    """The rows of a file, prices as the floats that they are nearest to."""
    if reply.headers["Content-Type"].startswith("text/csv"):
        text = {
            "symbol": pl.String,
            "session": pl.Date,
            **dict.fromkeys(BAR_FIELDS[:5], pl.Float64),
            "applied_factor": pl.Float64,
        }
        text |= dict.fromkeys(BAR_FIELDS[5:], pl.Int64)
        return pl.read_csv(reply.content, schema_overrides=text).to_dicts()
    if "arrow" in reply.headers["Content-Type"]:
        return pl.read_ipc_stream(reply.content).to_dicts()
    return pl.read_parquet(io.BytesIO(reply.content)).to_dicts()


def floats(row: dict[str, Any]) -> dict[str, Any]:
    made = {name: None if row[name] is None else float(row[name]) for name in BAR_FIELDS[:5]}
    return {**row, **made, "session": date.fromisoformat(row["session"])}


def test_prices_are_exact_text_and_absence_is_null(seeded: Platform, web: Web) -> None:
    body = good(web, symbols="2330,2317,7772").json()
    assert {name: body[name] for name in ("source", "currency", "adjusted", "method", "count", "next")} == {
        "source": "sandbox", "currency": "TWD", "adjusted": "none", "method": None, "count": 3, "next": None
    }  # fmt: skip
    assert body["bars"][0] == {
        "symbol": "2330", "session": "2026-11-19", "open": "990", "high": "1000", "low": "985", "close": "998.5",
        "change": None, "volume": 1000, "turnover": 998_500, "trades": 3, "applied_factor": 1,
    }  # fmt: skip
    assert [body["bars"][1][name] for name in ("open", "close", "volume")] == [None, None, 0]
    assert good(web, symbols="2330", format="csv").text == (
        "symbol,session,open,high,low,close,change,volume,turnover,trades,applied_factor\n"
        "2330,2026-11-19,990,1000,985,998.5,,1000,998500,3,1.0\n"
        "2330,2026-11-20,,,,,,0,0,0,1.0\n"
        "2330,2026-11-23,999,999.5,900.005,999,0.005,2000,1998000,5,1.0\n"
    )


def test_fields_and_forms(seeded: Platform, web: Web) -> None:
    assert good(web, symbols="2330", end="2026-11-19", fields="volume,close").json()["bars"] == [
        {"symbol": "2330", "session": "2026-11-19", "close": "998.5", "volume": 1000}
    ]
    for accept, kind in {
        "text/csv": "text/csv; charset=utf-8",
        "application/vnd.apache.parquet;q=0.9, */*": "application/vnd.apache.parquet",
        "application/vnd.apache.arrow.stream": "application/vnd.apache.arrow.stream",
        "image/png, */*": "application/json",
    }.items():
        reply = web.get(f"{PATH}?symbols=2330", headers={"Accept": accept})
        assert (reply.status_code, reply.headers["Content-Type"]) == (200, kind)
        assert ("attachment" in reply.headers.get("Content-Disposition", "")) is ("json" not in kind)
    assert web.get(f"{PATH}?symbols=2330&format=csv", headers={"Accept": "application/json"}).text.startswith("symbol,")
    schema = pl.read_parquet(io.BytesIO(good(web, symbols="2317", format="parquet").content)).schema
    assert schema["symbol"] == pl.String
    assert schema["session"] == pl.Date
    assert schema["close"] == pl.Float64


price = st.none() | st.integers(1, 2**31 - 1)
bars = st.dictionaries(
    st.tuples(st.sampled_from(SYMBOLS), st.integers(0, 9)),
    st.tuples(*[price] * 4, st.none() | st.integers(-(10**8), 10**8), *[st.none() | st.integers(0, 2**60)] * 2, price),
    min_size=1,
)
ratio = st.tuples(st.integers(50, 100_000), st.integers(50, 100_000))
actions = st.dictionaries(
    st.tuples(st.sampled_from(SYMBOLS), st.integers(0, 9), st.sampled_from([ActionKind.SPLIT, ActionKind.DIVIDEND])),
    ratio,
    max_size=4,
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(held=bars, acted=actions, adjusted=st.sampled_from(["none", "back", "forward"]), split_only=st.booleans())
def test_every_form_has_the_numbers_of_the_endpoint_of_one(
    platform: Platform, web: Web, *, held: Any, acted: Any, adjusted: str, split_only: bool
) -> None:
    empty(platform)
    store(platform, *(Bar(symbol, DAY + timedelta(n), *values) for (symbol, n), values in held.items()))
    act(platform, *(CorporateAction(s, DAY + timedelta(n), kind, *of) for (s, n, kind), of in acted.items()))
    query = {"adjusted": adjusted, "method": "split_only" if split_only else "total_return"}
    expected = [row for symbol in SYMBOLS for row in of_one(web, symbol, **query)]
    assert good(web, **query, universe="all").json()["bars"] == expected
    query["symbols"] = "2330,0050,2317,00687C"
    assert good(web, **query).json()["bars"] == expected
    for form in ("csv", "parquet", "arrow"):
        assert table(good(web, **query, format=form)) == [floats(row) for row in expected], form


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    held=st.lists(st.tuples(bars, actions), min_size=2, max_size=3),
    hours=st.integers(-1, 3),
    adjusted=st.sampled_from(["none", "back", "forward"]),
    limit=st.sampled_from([3, 100]),
)
def test_as_of_is_that_of_the_endpoint_of_one(
    platform: Platform, web: Web, *, held: Any, hours: int, adjusted: str, limit: int
) -> None:
    empty(platform)
    for number, (some, acted) in enumerate(held):
        at = NOW + timedelta(hours=number)
        store(platform, *(Bar(symbol, DAY + timedelta(n), *values) for (symbol, n), values in some.items()), at=at)
        act(platform, *(CorporateAction(s, DAY + timedelta(n), kind, *of) for (s, n, kind), of in acted.items()), at=at)
    query = {"adjusted": adjusted, "as_of": (NOW + timedelta(hours=hours)).isoformat()}
    expected = [row for symbol in SYMBOLS for row in of_one(web, symbol, **query)]
    assert good(web, **query, universe="all").json()["bars"] == expected
    for form in ("csv", "parquet", "arrow"):
        assert table(good(web, **query, universe="all", format=form)) == [floats(row) for row in expected], form
    walked = [row for page in walk(web, **query, universe="all", limit=limit) for row in page]
    assert walked == [(row["symbol"], row["session"]) for row in expected]


def test_nothing_is_seen_of_what_came_later(seeded: Platform, web: Web) -> None:
    """By hand: corrected a day later, and split by an action that was unknown until then; a zone or Taipei time."""
    later = NOW + timedelta(days=1)
    with transaction(seeded.engine) as connection:
        corrected = Bar("2330", date(2026, 11, 23), close=9_980_000)
        write_bars(connection, [corrected], fields={"close"}, source="test", run_id=None, at=later)
    act(seeded, CorporateAction("2330", date(2026, 11, 23), ActionKind.SPLIT, 9_985_000, 4_992_500), at=later)

    def closes(**query: Any) -> list[str | None]:
        return [row["close"] for row in good(web, symbols="2330", adjusted="back", **query).json()["bars"]]

    assert closes() == ["499.25", None, "998"]
    assert closes(as_of="2026-11-24T15:00") == ["499.25", None, "998"]  # NOW is 15:00 in Taipei
    for then in ("2026-11-24T14:59", "2026-11-24", "2026-11-24T06:59Z", "2026-11-24T14:59:59+08:00"):
        assert closes(as_of=then) == ["998.5", None, "999"], then
    assert closes(as_of="2026-11-23T14:59") == []
    reply = web.get(f"{PATH}?symbols=2330&as_of=2026-11-24T15:00+08:00")  # a plus in an address is a blank
    assert reply.status_code == 422
    assert "as_of is '2026-11-24T15:00 08:00': write a time such as 2026-11-20T21:00" in reply.json()["message"]


def empty(platform: Platform) -> None:
    url = platform.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url) as wipe:
        wipe.execute("TRUNCATE bars, revisions, corporate_actions")


def test_a_half_is_rounded_to_even_as_one_bar_is(platform: Platform, web: Web) -> None:
    """A volume of 5 over a factor of 2 is 2, not 3; and what no float can hold is still exact."""
    store(
        platform,
        Bar("2330", DAY, 10_0001, 10_0001, 10_0001, 10_0001, None, 5, 0, 0),
        Bar("2330", DAY + timedelta(1), 20_0000, 20_0000, 20_0000, 20_0000, None, 2**61 + 1, 0, 0),
        Bar("2330", DAY + timedelta(2), 20_0000, 20_0000, 20_0000, 20_0000, None, 1, 0, 0),
    )
    act(
        platform,
        CorporateAction("2330", DAY + timedelta(1), ActionKind.REDUCTION, 10_0000, 40_0000),
        CorporateAction("2330", DAY + timedelta(2), ActionKind.SPLIT, 40_0000, 20_0000),
    )
    rows = good(web, symbols="2330", adjusted="back").json()["bars"]
    assert [(row["close"], row["volume"], row["applied_factor"]) for row in rows] == [
        ("20.0002", 2, 2), ("10", 2**62 + 2, 0.5), ("20", 1, 1)
    ]  # fmt: skip


@pytest.fixture
def months(platform: Platform) -> Platform:
    """Forty days of three securities, and one without any bar."""
    days = [DAY + timedelta(n) for n in range(40)]
    store(platform, *(Bar(s, day, close=n + 1, volume=n) for s in SYMBOLS[1:] for n, day in enumerate(days)))
    return platform


def walk(web: Web, **query: Any) -> Iterator[list[tuple[str, str]]]:
    cursor = {}
    while True:
        reply = good(web, **query, **cursor)
        if query.get("format") == "csv":
            yield [(row["symbol"], str(row["session"])) for row in table(reply)]
            following = reply.headers.get("X-Next-Cursor")
        else:
            yield [(row["symbol"], row["session"]) for row in reply.json()["bars"]]
            following = reply.json()["next"]
        assert following == reply.headers.get("X-Next-Cursor")
        if following is None:
            assert "Link" not in reply.headers
            return
        link = re.fullmatch(r'<http://localhost(/.*)>; rel="next"', reply.headers["Link"])
        assert link
        assert f"cursor={following}" in link[1]
        assert web.get(link[1]).status_code == 200
        cursor = {"cursor": following}


@pytest.mark.parametrize("form", ["json", "csv"])
@pytest.mark.parametrize("limit", [1, 7, 40, 41, 119, 120, 121])
def test_pages_have_each_bar_once_in_order(months: Platform, web: Web, limit: int, form: str) -> None:
    if limit == 1:
        found = list(walk(web, universe="all", limit=1, format=form, end="2026-03-05"))
        expected = [(s, f"2026-03-{day:02}") for s in SYMBOLS[1:] for day in range(2, 6)]
    else:
        found = list(walk(web, universe="all", limit=limit, format=form))
        expected = [(s, str(DAY + timedelta(n))) for s in SYMBOLS[1:] for n in range(40)]
    assert [row for page in found for row in page] == expected
    assert {len(page) for page in found[:-1]} <= {limit}
    assert len(found[-1]) > 0


def test_what_is_written_meanwhile_comes_twice_in_no_page(months: Platform, web: Web) -> None:
    """Before each page a bar comes in before, at and behind the place: all that was there comes once, in order."""
    found: list[tuple[str, str]] = []
    for number, page in enumerate(walk(web, universe="all", limit=11)):
        found += page
        store(
            months,
            Bar("0050", DAY + timedelta(number), close=1),
            Bar("2317", DAY - timedelta(number + 1), close=1),
            Bar("2330", DAY + timedelta(100 + number), close=1),
        )
    assert found == sorted(set(found))
    assert {(s, str(DAY + timedelta(n))) for s in SYMBOLS[1:] for n in range(40)} <= set(found)


def test_a_file_has_a_bound_and_says_how_to_split(months: Platform, web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(many_bars, "LARGEST_FILE", 119)
    monkeypatch.setattr(many_bars, "LARGEST_PAGE", 7)
    reply = web.get(PATH, params={"universe": "all", "format": "parquet"})
    assert reply.status_code == 422
    assert "more than 119 bars: ask for fewer symbols or a shorter range" in reply.json()["message"]
    monkeypatch.setattr(many_bars, "LARGEST_FILE", 120)
    whole = table(good(web, universe="all", format="parquet"))
    assert [(row["symbol"], row["close"]) for row in whole] == [
        (s, (n + 1) / 10_000) for s in SYMBOLS[1:] for n in range(40)
    ]


@pytest.mark.parametrize(
    ("query", "status", "sentence"),
    [
        ("", 422, "either symbols, such as 2330,0050, or a universe"),
        ("symbols=2330&universe=all", 422, "either symbols"),
        ("symbols=,", 422, "write symbols such as 2330"),
        ("symbols=2330,9999,9998", 404, "No securities list holds '9999', '9998'"),
        ("symbols=233O", 404, "No securities list holds '233O'"),
        ("symbols=2330%00", 422, "PostgreSQL cannot take a value"),
        ("universe=none", 422, "There is no universe 'none'; known are all, popular"),
        ("symbols=2330&start=2026-03-03&end=2026-03-02", 422, "is later than end 2026-03-02"),
        ("symbols=2330&start=2026-02-30", 422, "start is '2026-02-30'"),
        ("symbols=2330&fields=clo", 422, "There is no field 'clo'; there are symbol, session, open"),
        ("symbols=2330&format=xml", 422, "format is 'xml'"),
        ("symbols=2330&limit=100001", 422, "limit is '100001'"),
        ("symbols=2330&cursor=abc", 422, "give back what the page before had as `next`"),
        ("symbols=2330&cursor=%F0%9F%98%80", 422, "give back what the page before had"),
        ("symbols=2330&format=parquet&limit=5", 422, "limit and cursor are for json and csv"),
        ("symbols=2330&adjusted=both", 422, "adjusted is 'both'"),
    ],
)
def test_wrong_requests_get_a_sentence(seeded: Platform, web: Web, *, query: str, status: int, sentence: str) -> None:
    reply = web.get(f"{PATH}?{query}")
    assert reply.status_code == status, reply.text
    assert sentence in reply.json()["message"]


anything = st.text(max_size=12)
dates = st.dates().map(str) | anything
QUERY = st.fixed_dictionaries(
    {},
    optional={
        "symbols": st.lists(st.sampled_from(["2330", "0050", "9999"]) | anything, max_size=4).map(",".join),
        "universe": st.sampled_from(["all", "popular"]) | anything,
        "start": dates,
        "end": dates,
        "adjusted": st.sampled_from(["none", "back", "forward"]) | anything,
        "as_of": st.datetimes().map(str) | anything,
        "method": st.sampled_from(["total_return", "split_only"]) | anything,
        "fields": st.lists(st.sampled_from([*BAR_FIELDS, "applied_factor"]) | anything, max_size=3).map(",".join),
        "format": st.sampled_from(["json", "csv", "parquet", "arrow"]) | anything,
        "limit": (st.integers(-1, 200_000)).map(str) | anything,
        "cursor": st.builds(
            lambda s, d: many_bars._cursor(many_bars.Place(s, d)),
            st.sampled_from(["2330", "0050", "", "ZZZZ", "2330 "]), st.dates(),
        ) | anything,
    },
)  # fmt: skip


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(query=QUERY)
def test_no_query_breaks_it(seeded: Platform, web: Web, query: dict[str, str]) -> None:
    reply = web.get(PATH, params=query)
    assert reply.status_code in (200, 404, 422), reply.text
    if reply.status_code != 200:
        assert reply.json()["message"].strip().endswith((".", "…"))


def test_a_page_that_would_not_fit_the_one_before_is_refused(platform: Platform, web: Web) -> None:
    """Back-adjusted prices of before a split that came between two pages are four times too high."""
    days = [DAY + timedelta(days=n) for n in range(5)]
    store(platform, *(Bar("2330", day, close=1_000_000) for day in days[:4]), Bar("2317", days[0], close=1))
    query = {"symbols": "2317,2330", "limit": 3}
    first, raw = good(web, adjusted="back", **query).json(), good(web, **query).json()
    assert good(web, adjusted="back", cursor=first["next"], **query).json()["next"] is None
    store(platform, Bar("2330", days[4], close=250_000), Bar("2317", days[1], close=1))
    act(platform, CorporateAction("2317", days[1], ActionKind.SPLIT, 2, 1))  # no matter: none of its bars is to come
    assert good(web, adjusted="back", cursor=first["next"], **query).json()["count"] == 3
    act(platform, CorporateAction("2330", days[4], ActionKind.SPLIT, 1_000_000, 250_000))
    reply = web.get(PATH, params=query | {"adjusted": "back", "cursor": first["next"]})
    assert (reply.status_code, reply.json()["error"]) == (409, "ChangedMeanwhile")
    assert "begin anew" in reply.json()["message"]
    assert good(web, cursor=raw["next"], **query).json()["count"] == 3  # raw prices change by no action
