"""Reading: securities, bars, quotes; whose data they are stands in every reply."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from app.core.wiring import Platform

if TYPE_CHECKING:
    from tests.integration.api.conftest import Web


def get(web: Web, path: str, status: int = 200) -> Any:
    reply = web.get(path)
    assert reply.status_code == status, reply.text
    assert reply.headers["X-QuantLab-Prices"] == "synthetic"
    return reply.json()


def symbols(body: Any) -> list[str]:
    return [row["symbol"] for row in body["securities"]]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["2317", "2330", "6488", "7772"]),
        ("?venue=TPEX", ["6488"]),
        ("?kind=etf", []),
        ("?search=台積", ["2330"]),
        ("?search=23", ["2317", "2330"]),
        ("?on_list=false", []),
    ],
)
def test_securities_by_filter(seeded: Platform, web: Web, query: str, expected: list[str]) -> None:
    body = get(web, f"/api/v1/securities{query}")
    assert symbols(body) == expected
    assert (body["source"], body["total"], body["next_after"]) == ("sandbox", len(expected), None)


def test_securities_page_by_page(seeded: Platform, web: Web) -> None:
    first = get(web, "/api/v1/securities?limit=3")
    second = get(web, f"/api/v1/securities?limit=3&after={first['next_after']}")
    assert symbols(first) + symbols(second) == ["2317", "2330", "6488", "7772"]
    assert (first["total"], second["next_after"]) == (4, None)


def test_one_security(seeded: Platform, web: Web) -> None:
    assert get(web, "/api/v1/securities/2330")["security"]["name"] == "台積電"
    assert get(web, "/api/v1/securities/9999", 404) == {
        "error": "UnknownSymbol",
        "message": "No securities list holds '9999'. If it is new, run app.tasks.sync_stock_list first.",
    }


def test_prices_are_exact_text_and_absence_is_null(seeded: Platform, web: Web) -> None:
    body = get(web, "/api/v1/bars/2330")
    assert (body["source"], body["currency"], body["count"], body["more"]) == ("sandbox", "TWD", 3, False)
    assert body["bars"][0] == {
        "session": "2026-11-19",
        "open": "990",
        "high": "1000",
        "low": "985",
        "close": "998.5",
        "change": None,
        "volume": 1000,
        "turnover": 998_500,
        "trades": 3,
    }
    assert [body["bars"][1][name] for name in ("open", "close", "volume")] == [None, None, 0]
    assert [body["bars"][2][name] for name in ("low", "change")] == ["900.005", "0.005"]


def test_bars_of_a_range_newest_first_to_stay(seeded: Platform, web: Web) -> None:
    days = [bar["session"] for bar in get(web, "/api/v1/bars/2330?start=2026-11-20&end=2026-11-22")["bars"]]
    assert days == ["2026-11-20"]
    body = get(web, "/api/v1/bars/2330?limit=2")
    assert [bar["session"] for bar in body["bars"]] == ["2026-11-20", "2026-11-23"]
    assert body["more"]
    assert get(web, "/api/v1/bars/2317")["bars"] == []


@pytest.mark.parametrize(
    ("path", "status", "error", "sentence"),
    [
        ("/api/v1/bars/9999", 404, "UnknownSymbol", "No securities list holds '9999'"),
        ("/api/v1/bars/2330?start=2026-02-30", 422, "InvalidParameter", "start is '2026-02-30'"),
        ("/api/v1/bars/2330?start=2026-02-03&end=2026-02-02", 422, "InvalidParameter", "is later than end 2026-02-02"),
        ("/api/v1/bars/2330?limit=0", 422, "InvalidParameter", "limit is '0'"),
        ("/api/v1/securities?venue=NYSE", 422, "InvalidParameter", "venue is 'NYSE'"),
        ("/api/v1/quotes?symbols=23%2030", 422, "InvalidParameter", "write symbols such as 2330"),
        ("/api/v1/quotes?symbols=", 422, "InvalidParameter", "write symbols such as 2330"),
        ("/api/v1/quotes?symbols=" + "2330," * 501, 422, "InvalidParameter", "500 at most"),
        ("/api/v1/runs?task=sync_nothing", 404, "UnknownTask", "There is no task 'sync_nothing'"),
        ("/api/v1/runs?state=DONE", 422, "InvalidParameter", "state is 'DONE'"),
        ("/api/v1/runs?since=2026-11-01T00:00:00", 422, "InvalidParameter", "since is"),
        ("/api/v1/runs?before=nothing", 404, "UnknownRun", "The ledger has no run 'nothing'."),
        ("/api/v1/runs/nothing", 404, "UnknownRun", "The ledger has no run 'nothing'."),
        ("/api/v2", 404, "NotFound", "/docs lists what there is"),
    ],
)
def test_wrong_requests_get_a_sentence(
    seeded: Platform, web: Web, *, path: str, status: int, error: str, sentence: str
) -> None:
    body = get(web, path, status)
    assert body["error"] == error
    assert sentence in body["message"]
    assert body["message"].endswith(".")


def test_only_fresh_quotes(seeded: Platform, web: Web) -> None:
    body = get(web, "/api/v1/quotes?symbols=2330,2317")
    assert (body["source"], body["count"], body["absent"]) == ("sandbox", 1, ["2317"])
    assert (body["quotes"][0]["last"], body["quotes"][0]["open"]) == ("999", None)
    assert get(web, "/api/v1/quotes")["count"] == 1


def test_runs_by_filter_and_page(seeded: Platform, web: Web) -> None:
    def ids(query: str) -> list[str]:
        return [run["id"] for run in get(web, f"/api/v1/runs{query}")["runs"]]

    assert ids("") == ["run-3", "run-2", "run-1"]
    assert ids("?task=sync_daily_prices") == ids("?state=FAILED") == ["run-2"]
    assert ids("?trigger=manual") == ["run-3"]
    assert ids("?since=2026-11-23T10:00:00%2B08:00") == ["run-3", "run-2"]
    first = get(web, "/api/v1/runs?limit=2")
    assert first["next_before"] == "run-2"
    assert ids("?limit=2&before=run-2") == ["run-1"]


def test_one_run_with_its_units(seeded: Platform, web: Web) -> None:
    body = get(web, "/api/v1/runs/run-2")
    run, unit = body["run"], body["units"][0]
    assert (run["state"], run["error_type"], run["error"]) == ("FAILED", "SourceUnavailable", "twse gave no answer.")
    assert run["counts"] == {"expected": 4, "fetched": 4, "stored": 3, "unchanged": 1, "quarantined": 0}
    assert body["traceback"] == "Traceback …"
    assert (unit["venue"], unit["session"], unit["counts"]["stored"]) == ("TWSE", "2026-11-20", None)
