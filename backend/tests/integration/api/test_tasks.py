"""Starting tasks over HTTP: who may, what may be asked, and that the message really stands in Redis."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

import pytest
import time_machine

from app.core.config import get_settings
from app.core.transport import queue_keys
from app.core.wiring import Platform
from app.store import runs
from app.store.engine import transaction
from tests.integration.conftest import NOW

if TYPE_CHECKING:
    from tests.integration.api.conftest import Web

TOKEN = {"Authorization": "Bearer correct-horse-battery"}


def waiting(platform: Platform, queue: str, priority: int) -> list[dict[str, Any]]:
    found = cast("list[bytes]", platform.redis.lrange(queue_keys(queue)[priority], 0, -1))
    return [json.loads(message) for message in found]


def queued_anywhere(platform: Platform) -> int:
    return sum(len(waiting(platform, queue, p)) for queue in ("data_sync", "export", "maintenance") for p in range(11))


def test_tasks_with_schedule_and_schema(web: Web) -> None:
    tasks = {task["name"]: task for task in web.get("/api/v1/tasks").json()["tasks"]}
    assert next(iter(tasks)) == "app.tasks.sync_stock_list"
    daily = tasks["app.tasks.sync_daily_prices"]
    assert daily["schedules"] == ["daily 21:00"]
    assert all(fire.endswith("T21:00:00+08:00") for fire in daily["next_fires"])
    assert len(daily["next_fires"]) == 3
    assert daily["parameters"]["properties"]["days"]["default"] == 7
    assert tasks["app.tasks.sync_qlib"]["queue"] == "export"
    assert tasks["app.tasks.catch_up"]["queue"] == "backfill"


def test_how_the_tasks_fared(seeded: Platform, web: Web) -> None:
    with time_machine.travel(NOW, tick=False):
        held = {one["task"]: one for one in web.get("/api/v1/tasks/stats").json()["tasks"]}
    assert {task.removeprefix("app.tasks."): one["by_state"] for task, one in held.items()} == {
        "sync_stock_list": {"SUCCESS": 1},
        "sync_daily_prices": {"FAILED": 1},
        "sync_qlib": {"QUEUED": 1},
    }
    assert held["app.tasks.sync_stock_list"]["seconds"] == 0
    assert held["app.tasks.sync_daily_prices"]["seconds"] is None
    with time_machine.travel(NOW + timedelta(days=8), tick=False):
        assert web.get("/api/v1/tasks/stats").json()["tasks"] == []


def test_a_started_task_waits_in_redis_and_in_the_ledger(platform: Platform, web: Web) -> None:
    body = {"parameters": {"stock_ids": ["2330"], "days": 3}, "priority": 9}
    reply = web.post("/api/v1/tasks/sync_daily_prices/runs", json=body, headers=TOKEN)
    assert reply.status_code == 202, reply.text
    run_id = reply.json()["id"]
    assert reply.headers["Location"] == reply.json()["url"] == f"/api/v1/runs/{run_id}"
    (message,) = waiting(platform, "data_sync", 9)
    assert message["headers"]["id"] == run_id
    assert message["headers"]["task"] == "app.tasks.sync_daily_prices"
    assert json.loads(base64.b64decode(message["body"]))[1] == {"stock_ids": ["2330"], "days": 3}
    run = web.get(reply.headers["Location"]).json()["run"]
    assert (run["state"], run["trigger"], run["parameters"]) == ("QUEUED", "api", body["parameters"])


def test_full_name_no_body_and_a_button(platform: Platform, web: Web) -> None:
    first = web.post("/api/v1/tasks/app.tasks.sync_qlib/runs", headers=TOKEN)
    second = web.post("/api/v1/tasks/cleanup_old_cache/runs", json={"trigger": "manual"}, headers=TOKEN)
    assert (first.status_code, second.status_code) == (202, 202)
    assert len(waiting(platform, "export", 5)) == len(waiting(platform, "maintenance", 5)) == 1
    with transaction(platform.engine) as connection:
        assert sorted(run.trigger for run in runs.list_runs(connection)) == ["api", "manual"]


@pytest.mark.parametrize(
    ("name", "body", "status", "error", "sentence"),
    [
        ("sync_nothing", {}, 404, "UnknownTask", "There is no task 'sync_nothing'"),
        ("sync_daily_price", {}, 404, "UnknownTask", "did you mean sync_daily_prices?"),
        ("celery.backend_cleanup", {}, 404, "UnknownTask", "There is no task"),
        ("sync_daily_prices", {"parameters": {"days": 0}}, 422, "InvalidParameter", "days is 0"),
        ("sync_daily_prices", {"parameters": {"days": "7"}}, 422, "InvalidParameter", "days is '7'"),
        ("sync_daily_prices", {"parameters": {"stock_ids": ["; DROP"]}}, 422, "InvalidParameter", "stock_ids"),
        ("sync_daily_prices", {"parameters": {"universe": "mine"}}, 422, "InvalidParameter", "known are all, popular"),
        (
            "sync_daily_prices",
            {"parameters": {"stock_ids": ["2330"], "universe": "all"}},
            422,
            "InvalidParameter",
            "not both",
        ),
        (
            "sync_daily_prices",
            {"parameters": {"end_date": "2099-01-05"}},
            422,
            "InvalidParameter",
            "lies in the future",
        ),
        (
            "backfill_bars",
            {"parameters": {"start": "2026-02-03", "end": "2026-02-02"}},
            422,
            "InvalidParameter",
            "end 2026-02-02 is before start 2026-02-03",
        ),
        (
            "backfill_bars",
            {"parameters": {"start": "2026-02-03", "venue": "EMERGING"}},
            422,
            "InvalidParameter",
            "publishes no daily bars",
        ),
        ("sync_daily_prices", {"parameters": {"dayz": 1}}, 422, "InvalidParameter", "no parameter 'dayz'"),
        ("sync_daily_prices", {"priority": 11}, 422, "InvalidParameter", "priority is 11"),
        ("sync_daily_prices", {"trigger": "schedule"}, 422, "InvalidParameter", "trigger is 'schedule'"),
        ("sync_daily_prices", {"days": 3}, 422, "InvalidParameter", "days"),
        ("sync_daily_prices", [], 422, "InvalidParameter", "the body is []"),
    ],
)
def test_what_cannot_be_started(
    platform: Platform, web: Web, *, name: str, body: Any, status: int, error: str, sentence: str
) -> None:
    reply = web.post(f"/api/v1/tasks/{name}/runs", json=body, headers=TOKEN)
    assert (reply.status_code, reply.json()["error"]) == (status, error), reply.text
    assert sentence in reply.json()["message"]
    assert queued_anywhere(platform) == 0


def test_a_body_that_is_no_json(web: Web) -> None:
    headers = TOKEN | {"Content-Type": "application/json"}
    reply = web.post("/api/v1/tasks/sync_qlib/runs", content=b"{", headers=headers)
    assert (reply.status_code, reply.json()["message"]) == (422, "the body is not JSON.")


@pytest.mark.parametrize(
    "headers",
    [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic Y29ycmVjdA=="}, {"Authorization": "Bearer "}],
)
def test_without_the_token_nothing_starts(platform: Platform, web: Web, headers: dict[str, str]) -> None:
    reply = web.post("/api/v1/tasks/sync_qlib/runs", headers=headers)
    assert (reply.status_code, reply.json()["error"]) == (401, "NotAuthorised")
    assert "quantlab token" in reply.json()["message"]
    assert reply.headers["WWW-Authenticate"] == "Bearer"
    assert queued_anywhere(platform) == 0


def test_no_token_file_is_closed_never_open(platform: Platform, web: Web) -> None:
    get_settings().admin_token_file.unlink()
    reply = web.post("/api/v1/tasks/sync_qlib/runs", headers=TOKEN)
    assert (reply.status_code, reply.json()["error"]) == (503, "ConfigurationError")
    assert "There is no admin token" in reply.json()["message"]
    get_settings().admin_token_file.write_text("\n")
    assert web.post("/api/v1/tasks/sync_qlib/runs", headers={"Authorization": "Bearer "}).status_code == 401
    assert queued_anywhere(platform) == 0


def test_the_token_may_come_from_the_environment(platform: Platform, web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUANTLAB_ADMIN_TOKEN", "of-the-environment")
    get_settings.cache_clear()
    headers = {"Authorization": "Bearer of-the-environment"}
    assert web.post("/api/v1/tasks/sync_qlib/runs", headers=headers).status_code == 202
    assert web.post("/api/v1/tasks/sync_qlib/runs", headers=TOKEN).status_code == 401
