"""Differences over HTTP: both values, exact, filtered and paged."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import pytest

from app.core.wiring import Platform
from app.market.comparison import Difference
from app.store import securities
from app.store.differences import settle
from app.store.engine import transaction

if TYPE_CHECKING:
    from tests.integration.api.conftest import Web

THURSDAY, FRIDAY = date(2026, 11, 19), date(2026, 11, 20)
AT = datetime(2026, 11, 20, 14, 0, tzinfo=UTC)
FOUND = [
    ("finmind", "2330", FRIDAY, "close", 9_990_000, 9_985_000),
    ("finmind", "2330", FRIDAY, "volume", 2000, 1984),
    ("finmind", "2330", THURSDAY, "close", 9_985_000, None),
    ("finlab", "6488", FRIDAY, "change", None, -500),
]


@pytest.fixture
def compared(seeded: Platform) -> Platform:
    with transaction(seeded.engine) as connection:
        for source, symbol, day, field, ours, theirs in FOUND:
            held = securities.find(connection, symbol)
            assert held
            settle(
                connection,
                source,
                held.id,
                sessions=[day],
                fields=[field],
                found=[Difference(symbol, day, field, ours, theirs)],
                run_id="run-1",
                at=AT,
            )
    return seeded


def get(web: Web, query: str = "", status: int = 200) -> Any:
    reply = web.get(f"/api/v1/differences{query}")
    assert reply.status_code == status, reply.text
    return reply.json()


def test_both_values_are_exact_and_absence_is_null(compared: Platform, web: Web) -> None:
    body = get(web)
    assert (body["source"], body["total"]) == ("sandbox", 4)
    told = [
        tuple(row[name] for name in ("source", "symbol", "session", "field", "ours", "theirs"))
        for row in body["differences"]
    ]
    assert told == [
        ("finmind", "2330", "2026-11-20", "close", "999", "998.5"),
        ("finmind", "2330", "2026-11-20", "volume", 2000, 1984),
        ("finlab", "6488", "2026-11-20", "change", None, "-0.05"),
        ("finmind", "2330", "2026-11-19", "close", "998.5", None),
    ]
    assert {(row["run_id"], row["seen_at"]) for row in body["differences"]} == {("run-1", "2026-11-20T14:00:00Z")}


@pytest.mark.parametrize(
    ("query", "total"),
    [
        ("?source=finlab", 1),
        ("?symbol=2330", 3),
        ("?field=close", 2),
        ("?start=2026-11-20", 3),
        ("?end=2026-11-19", 1),
        ("?source=finmind&symbol=2330&field=volume&start=2026-11-20&end=2026-11-20", 1),
        ("?symbol=2317", 0),
    ],
)
def test_filters(compared: Platform, web: Web, query: str, total: int) -> None:
    body = get(web, query)
    assert (body["total"], len(body["differences"])) == (total, total)


def test_pages_hold_each_once(compared: Platform, web: Web) -> None:
    pages = [get(web, f"?limit=1&offset={number}") for number in range(5)]
    assert {page["total"] for page in pages} == {4}
    rows = [row for page in pages for row in page["differences"]]
    assert rows == get(web)["differences"]


@pytest.mark.parametrize(
    ("query", "status", "sentence"),
    [
        ("?symbol=9999", 404, "No securities list holds '9999'"),
        ("?source=yahoo", 422, "finmind"),
        ("?field=price", 422, "There is no field 'price'; there are open"),
        ("?start=2026-11-20&end=2026-11-19", 422, "is later than end"),
        ("?limit=0", 422, "limit"),
        ("?offset=-1", 422, "offset"),
    ],
)
def test_wrong_requests(seeded: Platform, web: Web, query: str, status: int, sentence: str) -> None:
    assert sentence in get(web, query, status)["message"]
