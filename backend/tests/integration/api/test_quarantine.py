"""Quarantine over HTTP: what waits, the rules, and a person's word."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import pytest

from app.core.wiring import Platform, now
from app.market.quality import RULES, Severity
from app.market.security import Venue
from app.sources.base import RejectedRow
from app.store import quarantine, quarantine_reads
from app.store.bar_reads import read_bars
from app.store.engine import transaction

if TYPE_CHECKING:
    from tests.integration.api.conftest import Web

TOKEN = {"Authorization": "Bearer correct-horse-battery"}
URL = "/api/v1/quarantine"
DAY = date(2026, 11, 18)
VALUES = {"open": 9_900_000, "high": 9_800_000, "low": 9_800_000, "close": 9_850_000, "volume": 1_000, "change": None}


@pytest.fixture
def ids(seeded: Platform) -> dict[str, int]:
    """Rows in quarantine by rule: one with values, one without, one with a warning."""
    raw = {"證券代號": "2330", "最高價": "980.00"}
    rows = [
        RejectedRow("ohlc-order", "The four prices are out of order.", raw, "2330", DAY, VALUES),
        RejectedRow("zero-price", "a price of 0.00 is none", {"最高價": "0.00"}, "2317", DAY),
        RejectedRow("price-limit", "The prices go too far.", raw, "2330", DAY, VALUES, Severity.WARNING),
    ]
    with transaction(seeded.engine) as connection:
        quarantine.add(connection, rows, venue=Venue.TWSE, dataset="daily_bars", run_id="run-1", at=now())
        return {row.rule: row.id for row in quarantine_reads.list_rows(connection)}


def test_what_waits(web: Web, ids: dict[str, int]) -> None:
    reply = web.get(URL).json()
    assert (reply["source"], reply["total"]) == ("sandbox", 3)
    assert reply["by_rule"] == {"ohlc-order": 1, "price-limit": 1, "zero-price": 1}
    assert {row["id"] for row in reply["rows"]} == set(ids.values())
    row = web.get(f"{URL}/{ids['ohlc-order']}").json()["row"]
    assert (row["venue"], row["dataset"], row["session"], row["symbol"]) == ("TWSE", "daily_bars", "2026-11-18", "2330")
    assert (row["raw"]["最高價"], row["parsed"], row["severity"]) == ("980.00", VALUES, "blocking")
    assert (row["run_id"], row["decision"], row["released_at"]) == ("run-1", None, None)


@pytest.mark.parametrize(
    ("query", "rules"),
    [
        ({"rule": "zero-price"}, {"zero-price"}),
        ({"severity": "warning"}, {"price-limit"}),
        ({"symbol": "2330"}, {"ohlc-order", "price-limit"}),
        ({"venue": "TPEX"}, set()),
        ({"dataset": "month_bars"}, set()),
        ({"start": "2026-11-19"}, set()),
        ({"end": "2026-11-17"}, set()),
        ({"start": "2026-11-18", "end": "2026-11-18"}, {"ohlc-order", "price-limit", "zero-price"}),
        ({"state": "decided"}, set()),
        ({"state": "all", "severity": "blocking"}, {"ohlc-order", "zero-price"}),
    ],
)
def test_filters(web: Web, ids: dict[str, int], query: dict[str, str], rules: set[str]) -> None:
    reply = web.get(URL, params=query).json()
    assert {row["rule"] for row in reply["rows"]} == rules
    assert reply["total"] == len(rules)


def test_pages_hold_each_row_once(web: Web, ids: dict[str, int]) -> None:
    pages = [web.get(URL, params={"limit": 2, "offset": offset}).json() for offset in (0, 2, 4)]
    assert [len(page["rows"]) for page in pages] == [2, 1, 0]
    assert {page["total"] for page in pages} == {3}
    assert {row["id"] for page in pages for row in page["rows"]} == set(ids.values())


def test_the_rules(web: Web, ids: dict[str, int]) -> None:
    rules = {rule["id"]: rule for rule in web.get(f"{URL}/rules").json()["rules"]}
    assert rules.keys() == RULES.keys()
    assert rules["ohlc-order"]["severity"] == "blocking"
    assert rules["ohlc-order"]["open"] == 1
    assert rules["tick-size"]["open"] == 0


def test_release_stores_the_bar(platform: Platform, web: Web, ids: dict[str, int]) -> None:
    path = f"{URL}/{ids['ohlc-order']}/release"
    reply = web.post(path, json={"note": "the exchange says so", "by": "mei"}, headers=TOKEN)
    assert reply.status_code == 200, reply.text
    (row,) = reply.json()["rows"]
    assert (row["decision"], row["decided_by"], row["note"]) == ("stored", "mei", "the exchange says so")
    with transaction(platform.engine) as connection:
        (bar,) = read_bars(connection, "2330", start=DAY, end=DAY)
    assert (bar.open, bar.high, bar.close, bar.turnover) == (9_900_000, 9_800_000, 9_850_000, None)
    coverage = web.get("/api/v1/coverage", params={"start": "2026-11-18", "end": "2026-11-18"}).json()["coverage"]
    assert [(one["venue"], one["held"], one["quarantined"]) for one in coverage] == [("TWSE", 1, 1)]
    again = web.post(path, json={"note": "again"}, headers=TOKEN)
    assert (again.status_code, again.json()["error"]) == (409, "AlreadyDecided")


def test_dismiss_closes(web: Web, ids: dict[str, int]) -> None:
    reply = web.post(f"{URL}/{ids['zero-price']}/dismiss", json={"note": "no trade"}, headers=TOKEN)
    assert [(row["decision"], row["decided_by"]) for row in reply.json()["rows"]] == [("dismissed", "admin-token")]
    assert web.get(URL, params={"state": "decided"}).json()["by_rule"] == {"zero-price": 1}


@pytest.mark.parametrize("verb", ["release", "dismiss"])
@pytest.mark.parametrize(
    ("row", "body", "status", "sentence"),
    [
        ("999", {"note": "x"}, 404, "no quarantined row 999"),
        ("ohlc-order", {}, 422, "note is missing"),
        ("ohlc-order", {"note": ""}, 422, "note is ''"),
        ("ohlc-order", {"note": "  "}, 422, "Say why"),
        ("ohlc-order", {"note": "x", "by": " "}, 422, "Say who"),
        ("ohlc-order", {"note": "x", "all": True}, 422, "all"),
        ("0", {"note": "x"}, 422, "row_id"),
        ("99999999999999999999", {"note": "x"}, 422, "row_id"),
        ("one", {"note": "x"}, 422, "row_id"),
    ],
)
def test_what_is_refused(
    web: Web, ids: dict[str, int], *, verb: str, row: str, body: dict[str, Any], status: int, sentence: str
) -> None:
    reply = web.post(f"{URL}/{ids.get(row, row)}/{verb}", json=body, headers=TOKEN)
    assert reply.status_code == status, reply.text
    assert sentence in reply.json()["message"]
    assert web.get(URL).json()["total"] == 3


def test_a_row_without_values_is_not_released(web: Web, ids: dict[str, int]) -> None:
    reply = web.post(f"{URL}/{ids['zero-price']}/release", json={"note": "x"}, headers=TOKEN)
    assert (reply.status_code, reply.json()["error"]) == (409, "NotStorable")


def test_without_the_token_nothing_is_decided(web: Web, ids: dict[str, int]) -> None:
    for verb in ("release", "dismiss"):
        for headers in ({}, {"Authorization": "Bearer wrong"}):
            reply = web.post(f"{URL}/{ids['ohlc-order']}/{verb}", json={"note": "x"}, headers=headers)
            assert (reply.status_code, reply.json()["error"]) == (401, "NotAuthorised")
    assert web.get(URL).json()["total"] == 3


@pytest.mark.parametrize(
    "query",
    [
        {"rule": "no-such"},
        {"severity": "bad"},
        {"start": "2026-11-19", "end": "2026-11-18"},
        {"limit": 0},
        {"limit": 10**9},
        {"offset": -1},
        {"state": "shut"},
        {"venue": "NYSE"},
        {"symbol": "x" * 7},
    ],
)
def test_questions_that_make_no_sense(web: Web, query: dict[str, Any]) -> None:
    assert web.get(URL, params=query).status_code == 422


def test_a_row_that_is_not_there(web: Web) -> None:
    assert web.get(f"{URL}/7").status_code == 404
    assert web.get(f"{URL}/seven").status_code == 422
