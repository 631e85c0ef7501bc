"""Reading: securities, bars, quotes; whose data they are stands in every reply."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel

from app.api.bars import BarsReply
from app.api.many_bars import ManyBarsReply
from app.api.quotes import QuotesReply
from app.core import queue
from app.core.wiring import Platform
from app.market.corporate_action import ActionKind, CorporateAction
from app.market.security import Venue
from app.store import runs, units
from app.store.corporate_actions import write_actions
from app.store.engine import transaction
from tests.integration.conftest import NOW

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
        "message": "No securities list holds '9999'. If it is new: `quantlab sync securities`.",
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
        "applied_factor": 1,
    }
    assert (body["adjusted"], body["method"]) == ("none", None)
    assert [body["bars"][1][name] for name in ("open", "close", "volume")] == [None, None, 0]
    assert [body["bars"][2][name] for name in ("low", "change")] == ["900.005", "0.005"]


@pytest.mark.parametrize(
    ("path", "model"),
    [
        ("/api/v1/bars/2330?adjusted=back", BarsReply),
        ("/api/v1/bars?symbols=2330", ManyBarsReply),
        ("/api/v1/quotes", QuotesReply),
    ],
)
def test_replies_written_by_hand_are_those_of_the_documentation(
    seeded: Platform, web: Web, path: str, model: type[BaseModel]
) -> None:
    body = get(web, path)
    documented = model.model_validate(body).model_dump(mode="json")
    assert keys(documented) == keys(body)
    for rows in ("bars", "quotes"):
        assert [keys(row) for row in documented.get(rows, [])] == [keys(row) for row in body.get(rows, [])]
    assert body.get("bars", body.get("quotes"))


def keys(row: Any) -> set[str]:
    return set(row)


SPLIT = CorporateAction("2330", date(2026, 11, 20), ActionKind.SPLIT, 9_985_000, 2_496_300)
DIVIDEND = CorporateAction("2330", date(2026, 11, 23), ActionKind.DIVIDEND, 2_500_000, 2_450_000, note="現金 5 元")
OLD = CorporateAction("2330", date(2026, 11, 19), ActionKind.DIVIDEND, 100, 50)


@pytest.fixture
def acted(seeded: Platform) -> Platform:
    """A split, a dividend, and one before the first bar."""
    with transaction(seeded.engine) as connection:
        period = (date(2026, 11, 1), date(2026, 11, 30))
        actions = [SPLIT, DIVIDEND, OLD]
        write_actions(connection, actions, period=period, source="TWSE.test", run_id=None, at=NOW)
    return seeded


# By hand: the split makes 2496.3 / 9985 = 0.250005… of a price, the dividend 2450 / 2500 = 0.98.
@pytest.mark.parametrize(
    ("query", "factors", "first_close", "first_volume"),
    [
        ("back", [0.98 * 2496.3 / 9985, 0.98, 1], "244.6374", 4082),
        ("forward", [1, 9985 / 2496.3, 9985 / 2496.3 / 0.98], "998.5", 1000),
        ("back&method=split_only", [2496.3 / 9985, 1, 1], "249.63", 4000),
        ("forward&method=split_only", [1, 9985 / 2496.3, 9985 / 2496.3], "998.5", 1000),
    ],
)
def test_bars_adjusted(
    acted: Platform, web: Web, *, query: str, factors: list[float], first_close: str, first_volume: int
) -> None:
    body = get(web, f"/api/v1/bars/2330?adjusted={query}")
    assert [bar["applied_factor"] for bar in body["bars"]] == pytest.approx(factors, rel=1e-12)
    first = body["bars"][0]
    assert (first["close"], first["volume"], first["turnover"]) == (first_close, first_volume, 998_500)
    assert body["bars"][1]["close"] is None
    assert body["adjusted"] == query.split("&", maxsplit=1)[0]
    assert body["method"] == ("split_only" if "split" in query else "total_return")


def test_a_page_of_adjusted_bars_fits_the_others(acted: Platform, web: Web) -> None:
    whole = get(web, "/api/v1/bars/2330?adjusted=back")["bars"]
    assert get(web, "/api/v1/bars/2330?adjusted=back&end=2026-11-19")["bars"] == whole[:1]
    assert get(web, "/api/v1/bars/2330?adjusted=back&limit=1")["bars"] == whole[-1:]


def test_the_change_is_the_venues_own_times_the_factor(acted: Platform, web: Web) -> None:
    last = get(web, "/api/v1/bars/2330?adjusted=forward&method=split_only")["bars"][-1]
    assert last["change"] == "0.02"  # 0.005 x 3.99992, to the millionth 0.020000


def test_actions(acted: Platform, web: Web) -> None:
    body = get(web, "/api/v1/actions?symbol=2330&start=2026-11-20")
    assert (body["source"], body["count"], body["more"]) == ("sandbox", 2, False)
    assert body["actions"][0] == {
        "symbol": "2330",
        "ex_date": "2026-11-23",
        "kind": "dividend",
        "previous_close": "250",
        "reference_price": "245",
        "cash_reference": None,
        "ratio": 0.98,
        "split_ratio": 1,
        "note": "現金 5 元",
        "dataset": "TWSE.test",
        "recorded_at": "2026-11-23T07:00:00Z",
    }
    assert body["actions"][1]["split_ratio"] == body["actions"][1]["ratio"] == pytest.approx(2496.3 / 9985)
    assert get(web, "/api/v1/actions?limit=1")["more"]
    assert get(web, "/api/v1/actions?as_of=2026-11-23T00:00:00Z")["actions"] == []
    assert get(web, "/api/v1/actions?end=2026-11-19")["count"] == 1


def test_no_actions_is_another_thing_than_never_asked(seeded: Platform, web: Web) -> None:
    assert get(web, "/api/v1/actions?symbol=2330") == {
        "source": "sandbox", "count": 0, "more": False, "asked": {}, "actions": []
    }  # fmt: skip
    with transaction(seeded.engine) as connection:
        for venue, state in ((Venue.TWSE, "SUCCESS"), (Venue.TPEX, "FAILED")):
            units.record(connection, "run-2", dataset="dividends", venue=venue, scope="2026", state=state, at=NOW)
    body = get(web, "/api/v1/actions?symbol=2330")
    assert (body["asked"], body["actions"]) == ({"TWSE": "2026-11-23T07:00:00Z"}, [])


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
        ("/api/v1/bars/2330%00", 422, "InvalidParameter", "PostgreSQL cannot take a value"),
        (
            "/api/v1/bars/2330?start=2026-02-30",
            422,
            "InvalidParameter",
            "start is '2026-02-30': write a day such as 2026-11-20.",
        ),
        ("/api/v1/bars/2330?start=2026-02-03&end=2026-02-02", 422, "InvalidParameter", "is later than end 2026-02-02"),
        ("/api/v1/bars/2330?limit=0", 422, "InvalidParameter", "limit is '0'"),
        ("/api/v1/bars/2330?adjusted=both", 422, "InvalidParameter", "adjusted is 'both'"),
        ("/api/v1/actions?symbol=9999", 404, "UnknownSymbol", "No securities list holds '9999'"),
        ("/api/v1/actions?start=2026-02-03&end=2026-02-02", 422, "InvalidParameter", "is later than end 2026-02-02"),
        ("/api/v1/securities?venue=NYSE", 422, "InvalidParameter", "venue is 'NYSE'"),
        ("/api/v1/quotes?symbols=23%2030", 422, "InvalidParameter", "write symbols such as 2330"),
        ("/api/v1/quotes?symbols=", 422, "InvalidParameter", "write symbols such as 2330"),
        ("/api/v1/quotes?symbols=" + "2330," * 501, 422, "InvalidParameter", "500 at most"),
        ("/api/v1/runs?task=sync_nothing", 404, "UnknownTask", "There is no task 'sync_nothing'"),
        ("/api/v1/runs?state=DONE", 422, "InvalidParameter", "state is 'DONE'"),
        ("/api/v1/runs?since=yesterday", 422, "InvalidParameter", "since is 'yesterday': write a time such as 2026-"),
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


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("run-", ["run-3", "run-2", "run-1"]),  # the beginning of an id
        ("un-2", []),  # not a part of one
        ("GAVE NO", ["run-2"]),
        ("sourceunavail", ["run-2"]),
        ('"days": 7', ["run-2", "run-1"]),
        ("celery@test", ["run-2", "run-1"]),
        ("%", []),
        ("_", []),
        ("\0", []),
    ],
)
def test_runs_are_searched(seeded: Platform, web: Web, search: str, found: list[str]) -> None:
    body = web.get("/api/v1/runs", params={"search": search}).json()
    assert ([run["id"] for run in body["runs"]], body["total"]) == (found, len(found))


def test_the_total_is_of_all_pages(seeded: Platform, web: Web) -> None:
    assert get(web, "/api/v1/runs?limit=1")["total"] == 3
    assert get(web, "/api/v1/runs?limit=1&before=run-2")["total"] == 3
    assert get(web, "/api/v1/runs?trigger=schedule&limit=1")["total"] == 2


def test_the_newest_runs_of_each_task(seeded: Platform, web: Web) -> None:
    with transaction(seeded.engine) as connection:
        for number in range(3):
            at = NOW + timedelta(minutes=number)
            task = "app.tasks.sync_stock_list"
            runs.queue(connection, f"new-{number}", task=task, parameters={"n": number}, trigger="api", at=at)
        runs.queue(connection, "gone", task="app.tasks.of_an_earlier_version", parameters={}, trigger="api", at=NOW)
    held = get(web, "/api/v1/runs/by-task?each=2")["tasks"]
    assert set(held) == {task.name for task in queue.list_tasks()}
    assert [run["id"] for run in held["app.tasks.sync_stock_list"]] == ["new-2", "new-1"]
    assert [run["id"] for run in held["app.tasks.sync_daily_prices"]] == ["run-2"]
    assert held["app.tasks.catch_up"] == []


def test_runs_by_filter_and_page(seeded: Platform, web: Web) -> None:
    def ids(query: str) -> list[str]:
        return [run["id"] for run in get(web, f"/api/v1/runs{query}")["runs"]]

    assert ids("") == ["run-3", "run-2", "run-1"]
    assert ids("?task=sync_daily_prices") == ids("?state=FAILED") == ["run-2"]
    assert ids("?trigger=manual") == ["run-3"]
    assert ids("?since=2026-11-23T10:00:00%2B08:00") == ["run-3", "run-2"]
    assert ids("?until=2026-11-23T10:00:00%2B08:00") == ["run-2", "run-1"]
    assert ids("?until=2026-11-23T09:59:59%2B08:00") == ["run-1"]
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
