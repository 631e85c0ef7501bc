"""Catching up over HTTP: the plan with its cost; pausing needs the token."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from app.core import wiring
from app.core.wiring import Platform
from app.store import outbox
from app.store.engine import transaction

TOKEN = {"Authorization": "Bearer correct-horse-battery"}


@pytest.fixture(autouse=True)
def _friday_night(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wiring, "now", lambda: datetime(2026, 11, 20, 14, 7, tzinfo=UTC))


def test_the_plan_with_its_cost(platform: Platform, web: Any) -> None:
    reply = web.get("/api/v1/catch-up?days=3")
    assert reply.status_code == 200, reply.text
    plan = reply.json()
    assert plan["first"] == "2026-11-18"
    assert plan["steps"][1] == {
        "dataset": "daily_bars",
        "venue": "TWSE",
        "sessions": ["2026-11-20", "2026-11-19", "2026-11-18"],
        "requests": 3,
        "minutes": 0.12,
    }
    assert (plan["requests"]["isin"], plan["paused"], plan["run"], plan["tried_lately"]) == (3, False, None, [])
    assert web.get("/api/v1/catch-up?days=0").status_code == 422


def test_run_pause_and_resume(platform: Platform, web: Any) -> None:
    run_id = web.post("/api/v1/tasks/catch_up/runs", headers=TOKEN).json()["id"]
    assert web.get("/api/v1/catch-up").json()["run"] == run_id
    assert web.post("/api/v1/catch-up/pause").status_code == 401

    paused = web.post("/api/v1/catch-up/pause", headers=TOKEN).json()
    assert (paused["paused"], paused["paused_by"]) == (True, "admin-token")
    assert (paused["next_at"], paused["run"]) == (None, None)
    assert web.get(f"/api/v1/runs/{run_id}").json()["run"]["state"] == "CANCELLED"

    resumed = web.post("/api/v1/catch-up/resume", headers=TOKEN).json()
    assert not resumed["paused"]
    assert resumed["next_at"].endswith(":07:00+08:00")


def test_a_backfill_is_paused_and_resumed(platform: Platform, web: Any) -> None:
    def sent() -> list[str]:
        with transaction(platform.engine) as connection:
            return [run.id for run in outbox.take(connection, caps={"backfill": 1})]

    given = {"start": "2026-11-02", "end": "2026-11-06", "venue": "TWSE"}
    run_id = web.post("/api/v1/tasks/backfill_bars/runs", json={"parameters": given}, headers=TOKEN).json()["id"]
    (waits,) = web.get("/api/v1/backfill").json()["backfills"]
    assert (waits["run"], waits["state"], waits["units"], waits["paused_by"]) == (run_id, "QUEUED", 5, None)
    assert web.post(f"/api/v1/backfill/{run_id}/pause").status_code == 401

    (paused,) = web.post(f"/api/v1/backfill/{run_id}/pause", headers=TOKEN).json()["backfills"]
    assert (paused["paused_by"], paused["units"], paused["requests"]) == ("admin-token", 5, {"twse": 5})
    assert web.post(f"/api/v1/backfill/{run_id}/pause", headers=TOKEN).status_code == 422
    assert sent() == []
    (resumed,) = web.post(f"/api/v1/backfill/{run_id}/resume", headers=TOKEN).json()["backfills"]
    assert resumed["paused_by"] is None
    assert sent() == [run_id]

    web.post(f"/api/v1/backfill/{run_id}/pause", headers=TOKEN)
    again = web.post("/api/v1/tasks/backfill_bars/runs", json={"parameters": given}, headers=TOKEN).json()
    assert (again["id"], again["new"]) == (run_id, False)
    assert web.get("/api/v1/backfill").json()["backfills"][0]["paused_by"] is None, "who asks for it wants it to go on"
    actions = [row["action"] for row in web.get("/api/v1/audit?action=backfill", headers=TOKEN).json()["rows"]]
    assert actions == ["backfill.pause", "backfill.resume", "backfill.pause"]

    other = web.post("/api/v1/tasks/catch_up/runs", headers=TOKEN).json()["id"]
    refused = web.post(f"/api/v1/backfill/{other}/pause", headers=TOKEN)
    assert (refused.status_code, "only a backfill pauses" in refused.text) == (422, True)
    assert web.post("/api/v1/backfill/nobody/resume", headers=TOKEN).status_code == 404


def test_what_a_backfill_would_cost(web: Any, platform: Platform) -> None:
    asked = {"start": "2026-11-02", "end": "2026-11-06"}
    told = web.get("/api/v1/backfill/plan", params=asked).json()
    assert (told["units"], told["held"], told["requests"]) == (10, 0, {"twse": 5, "tpex": 5})
    assert told["newest"][0] == {"venue": "TWSE", "session": "2026-11-06"}
    one = web.get("/api/v1/backfill/plan", params={**asked, "venue": "TPEX"}).json()
    assert (one["units"], one["requests"]) == (5, {"tpex": 5})
    for wrong in (
        {"start": "1990-01-01"},
        {"start": "2026-11-06", "end": "2026-11-02"},
        {**asked, "venue": "EMERGING"},
    ):
        reply = web.get("/api/v1/backfill/plan", params=wrong)
        assert reply.status_code == 422
        assert reply.json()["message"].endswith(".")
