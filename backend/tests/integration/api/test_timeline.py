"""Runs as bars in time: all that waited or worked in the window, and no other."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import text

from app.core.wiring import Platform
from app.store.engine import transaction
from tests.integration.api.conftest import Web

NOON = datetime(2026, 11, 20, 4, 0, tzinfo=UTC)


def put(platform: Platform, run_id: str, begin: timedelta, end: timedelta | None, *, task: str = "sync_qlib") -> None:
    with transaction(platform.engine) as connection:
        connection.execute(
            text(
                "INSERT INTO runs (id, task, parameters, trigger, state, queued_at, started_at, finished_at, worker, "
                "forced, lease_until) "
                "VALUES (:id, :task, '{}', 'manual', :state, :began, :began, :ended, 'w@a', true, :lease)"
            ),
            {
                "id": run_id,
                "task": f"app.tasks.{task}",
                "state": "SUCCESS" if end is not None else "STARTED",
                "began": NOON + begin,
                "ended": None if end is None else NOON + end,
                "lease": None if end is not None else NOON,
            },
        )


def asked(web: Web, **query: Any) -> dict[str, Any]:
    window = {"since": (NOON - timedelta(hours=1)).isoformat(), "until": (NOON + timedelta(hours=1)).isoformat()}
    reply = web.get("/api/v1/runs/timeline", params={**window, **query})
    assert reply.status_code == 200, reply.text
    told: dict[str, Any] = reply.json()
    return told


def test_what_overlaps_the_window(web: Web, platform: Platform) -> None:
    h = timedelta(hours=1)
    put(platform, "long before", -9 * h, -8 * h)
    put(platform, "into it", -9 * h, -h / 2)
    put(platform, "within", -h / 3, h / 3, task="catch_up")
    put(platform, "out of it", h / 2, 9 * h)
    put(platform, "after", 2 * h, 3 * h)
    put(platform, "still going", -20 * h, None)
    assert [run["id"] for run in asked(web)["runs"]] == ["out of it", "within", "into it", "still going"]
    assert [run["id"] for run in asked(web, task="catch_up")["runs"]] == ["within"]
    cut = asked(web, limit=2)
    assert ([run["id"] for run in cut["runs"]], cut["cut"]) == (["out of it", "within"], True)


def test_a_window_without_end_is_a_sentence(web: Web) -> None:
    reply = web.get("/api/v1/runs/timeline", params={"since": "2026-11-20T12:00", "until": "2026-11-20T11:00"})
    assert reply.status_code == 422
    assert "is not before" in reply.json()["message"]


def test_ten_thousand_runs_are_cut_and_told(web: Web, platform: Platform) -> None:
    with transaction(platform.engine) as connection:
        connection.execute(
            text(
                "INSERT INTO runs (id, task, parameters, trigger, state, queued_at, started_at, finished_at, forced) "
                "SELECT 'run-' || n, 'app.tasks.sync_qlib', '{}', 'api', 'SUCCESS', at, at, at + interval '1 s', true "
                "FROM (SELECT n, :noon + n * interval '1 s' / 10 AS at FROM generate_series(1, 10000) n) AS made"
            ),
            {"noon": NOON},
        )
    told = asked(web, limit=1000)
    assert (len(told["runs"]), told["cut"], told["runs"][0]["id"]) == (1000, True, "run-10000")
    page = web.get("/api/v1/runs", params={"limit": 50}).json()
    assert (page["total"], len(page["runs"])) == (10_000, 50)
