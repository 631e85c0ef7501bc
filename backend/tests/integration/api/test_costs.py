"""What a run would cost, before it is started: counted by hand from what the exchanges' pages each tell."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from app.core import queue, wiring
from app.core.costs import COSTS
from app.core.wiring import Platform


@pytest.fixture(autouse=True)
def _friday_night(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wiring, "now", lambda: datetime(2026, 11, 20, 14, 7, tzinfo=UTC))


def cost(web: Any, task: str, **parameters: object) -> Any:
    reply = web.get(f"/api/v1/tasks/{task}/plan", params={"parameters": json.dumps(parameters)})
    assert reply.status_code == 200, reply.text
    return reply.json()


@pytest.mark.parametrize(
    ("task", "parameters", "requests"),
    [
        ("sync_stock_list", {}, {"isin": 3}),
        ("sync_daily_prices", {}, {"twse": 5, "tpex": 5}),  # Monday to Friday
        ("sync_daily_prices", {"stock_ids": "2330", "days": 30}, {"twse": 2}),  # October and November
        ("sync_daily_prices", {"days": 2, "end_date": "2026-11-15"}, {}),  # a week-end
        ("sync_ohlcv_data", {"stock_ids": ["2330", "6488"], "days": 30}, {"twse": 2, "tpex": 2}),
        ("sync_latest_prices", {"stock_ids": ["2330", "2317"]}, {"mis": 1}),  # of 80 securities each
        ("sync_market_figures", {"datasets": ["margin"], "days": 7}, {"twse": 5, "tpex": 5}),
        # Two months of dividends, and this year of capital reductions, par changes and splits; TPEx has reverse ones.
        ("sync_corporate_actions", {"days": 30}, {"twse": 5, "tpex": 6}),
        ("compare_sources", {"sample": 2}, {"finmind": 2}),
        ("backfill_bars", {"start": "2026-11-02", "end": "2026-11-06", "venue": "TPEX"}, {"tpex": 5}),
    ],
)
def test_requests_by_site(
    seeded: Platform, web: Any, task: str, parameters: dict[str, object], requests: dict[str, int]
) -> None:
    told = cost(web, task, **parameters)
    assert (told["asks"], told["requests"], told["task"]) == (True, requests, f"app.tasks.{task}")
    pace = 12.0 if "finmind" in requests else seeded.settings.source_seconds_per_request
    assert told["minutes"] == round(max(requests.values(), default=0) * pace / 60, 1)


def test_catching_up_and_an_empty_database(platform: Platform, web: Any) -> None:
    told = cost(web, "catch_up", days=3)
    assert told["requests"] == web.get("/api/v1/catch-up?days=3").json()["requests"]
    assert cost(web, "sync_daily_prices", days=1)["requests"] == {"isin": 3, "twse": 1, "tpex": 1}


def test_every_task_says_what_it_asks_for(platform: Platform, web: Any) -> None:
    names = [task.name for task in queue.list_tasks()]
    assert sorted(COSTS) == sorted(names)
    silent = {"replay_archive": {"start": "2026-11-02"}, "sync_qlib": {}, "export_parquet": {}, "cleanup_old_cache": {}}
    for task, parameters in silent.items():
        told = cost(web, task, **parameters)
        assert (told["asks"], told["requests"], told["minutes"]) == (False, {}, 0)


@pytest.mark.parametrize(
    ("task", "parameters", "refused"),
    [
        ("sync_daily_prices", '{"days": 0}', (422, "days is 0")),
        ("sync_daily_prices", '{"dayz": 7}', (422, "no parameter 'dayz'")),
        ("backfill_bars", "{}", (422, "'start' is missing")),
        ("sync_daily_prices", "[]", (422, "no JSON object")),
        ("sync_daily_prices", "{", (422, "no JSON object")),
        ("sync_daily_prices", "[" * 5_000, (422, "no JSON object")),
        ("sync_everything", "{}", (404, "no task")),
    ],
)
def test_what_could_not_be_started_has_no_cost(
    platform: Platform, web: Any, task: str, parameters: str, refused: tuple[int, str]
) -> None:
    reply = web.get(f"/api/v1/tasks/{task}/plan", params={"parameters": parameters})
    status, sentence = refused
    assert (reply.status_code, sentence in reply.text) == (status, True), reply.text
