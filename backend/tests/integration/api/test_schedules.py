"""Schedules and the calendar over HTTP: what is shown, who may change it, and what is refused."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import text

from app.core import schedules
from app.core.wiring import Platform, now
from app.store import audit, runs
from app.store.engine import transaction
from app.store.schedules import advance, lock

if TYPE_CHECKING:
    from tests.integration.api.conftest import Web

TOKEN = {"Authorization": "Bearer correct-horse-battery"}
DAILY = "/api/v1/schedules/sync-daily-prices"


@pytest.fixture(autouse=True)
def _nothing_remembered() -> None:
    schedules._forget_rows()


def test_defaults_with_five_fires(platform: Platform, web: Web) -> None:
    rows = {row["name"]: row for row in web.get("/api/v1/schedules").json()["schedules"]}
    assert next(iter(rows)) == "sync-stock-list"
    daily = rows["sync-daily-prices"]
    assert (daily["timing"], daily["words"], daily["misfire"], daily["late_limit"]) == (
        "0 21 * * *",
        "daily 21:00",
        "latest",
        43_200,
    )
    assert (daily["overrides"], daily["changed_by"], daily["enabled"]) == ({}, None, True)
    assert len(daily["next_fires"]) == 5
    assert all(at.endswith("T21:00:00+08:00") for at in daily["next_fires"])
    assert rows["cleanup-old-cache"]["misfire"] == "skip"
    assert rows["sync-latest-prices"]["timing"] == "in session */15 9-13 * * *"


def test_a_change_holds_everywhere_until_it_is_reset(platform: Platform, web: Web) -> None:
    body = {"timing": "close + 90m", "parameters": {"universe": "popular_10"}, "misfire": "all", "by": "mei"}
    reply = web.ask("PATCH", DAILY, json=body, headers=TOKEN)
    assert reply.status_code == 200, reply.text
    row = reply.json()["schedule"]
    assert row["timing"] == "close+90m"
    assert row["overrides"] == {"timing": "close+90m", "parameters": {"universe": "popular_10"}, "misfire": "all"}
    assert row["defaults"]["timing"] == "0 21 * * *"
    assert (row["changed_by"], row["late_limit"]) == ("mei", 43_200)
    assert all(at.endswith("T15:00:00+08:00") for at in row["next_fires"])

    tasks = {task["name"]: task for task in web.get("/api/v1/tasks").json()["tasks"]}
    shown = tasks["app.tasks.sync_daily_prices"]
    assert shown["schedules"] == ["90 min after the close of each session"]
    assert all(at.endswith("T15:00:00+08:00") for at in shown["next_fires"])

    row = web.ask("PATCH", DAILY, json={"timing": None, "enabled": False}, headers=TOKEN).json()["schedule"]
    assert (row["timing"], row["enabled"], row["next_fires"]) == ("0 21 * * *", False, [])
    assert row["overrides"] == {"enabled": False, "parameters": {"universe": "popular_10"}, "misfire": "all"}
    tasks = {task["name"]: task for task in web.get("/api/v1/tasks").json()["tasks"]}
    assert tasks["app.tasks.sync_daily_prices"]["schedules"] == ["paused: daily 21:00"]
    assert tasks["app.tasks.sync_daily_prices"]["next_fires"] == []

    row = web.ask("DELETE", DAILY + "/override?by=mei", headers=TOKEN).json()["schedule"]
    assert row["overrides"] == {}
    assert web.get(DAILY).json()["schedule"] == row


@pytest.mark.parametrize(
    ("path", "body", "status", "sentence"),
    [
        ("sync-daily-price", {}, 404, "did you mean sync-daily-prices?"),
        ("sync-daily-prices", {"timing": "61 * * * *"}, 422, "is no crontab"),
        ("sync-daily-prices", {"timing": "tomorrow"}, 422, "is no timing; write one like `0 21 * * *`"),
        ("sync-daily-prices", {"timing": "in session 0 3 * * *"}, 422, "never fires"),
        ("sync-daily-prices", {"timing": "0 0 31 4 *"}, 422, "no crontab"),
        ("sync-daily-prices", {"parameters": {"days": 0}}, 422, "days is 0"),
        ("sync-daily-prices", {"parameters": {"dayz": 1}}, 422, "no parameter 'dayz'"),
        ("sync-daily-prices", {"misfire": "never"}, 422, "misfire is 'never'"),
        ("sync-daily-prices", {"late_limit": 5}, 422, "late_limit is 5"),
        ("sync-daily-prices", {"enabled": "no"}, 422, "enabled is 'no'"),
        ("sync-daily-prices", {"crontab": "0 1 * * *"}, 422, "crontab"),
        ("sync-daily-prices", {"by": " ", "enabled": False}, 422, "Say who changes it"),
        ("sync-daily-prices", {}, 422, "Say what to change of sync-daily-prices: enabled, timing"),
        ("sync-daily-prices", {"by": "mei"}, 422, "Say what to change of sync-daily-prices"),
    ],
)
def test_what_is_refused(
    platform: Platform, web: Web, *, path: str, body: dict[str, Any], status: int, sentence: str
) -> None:
    reply = web.ask("PATCH", f"/api/v1/schedules/{path}", json=body, headers=TOKEN)
    assert reply.status_code == status, reply.text
    assert sentence in reply.json()["message"]
    with transaction(platform.engine) as connection:
        assert connection.execute(text("SELECT * FROM schedules")).all() == []


def test_without_the_token_nothing_changes(platform: Platform, web: Web) -> None:
    day = "/api/v1/calendar/2026-11-23"
    for method, path in [("PATCH", DAILY), ("DELETE", DAILY + "/override"), ("PUT", day), ("DELETE", day)]:
        body = {"json": {"enabled": False}} if method == "PATCH" else {}
        assert web.ask(method, path, **body).status_code in (401, 422)
        assert web.ask(method, path, **body).json()["error"] == "NotAuthorised"


def test_a_change_never_swallows_a_missed_tick(platform: Platform, web: Web) -> None:
    """Beat was off for two hours when somebody changed the time: what was due under the old one has its run."""
    taipei = now().astimezone(ZoneInfo("Asia/Taipei"))
    hourly = {"timing": "0 * * * *", "misfire": "latest"}
    assert web.ask("PATCH", DAILY, json=hourly, headers=TOKEN).status_code == 200
    with transaction(platform.engine) as connection:
        assert lock(connection, "sync-daily-prices", at=now())
        connection.execute(text("UPDATE schedules SET claimed_until = claimed_until - interval '2 hours'"))
    reply = web.ask("PATCH", DAILY, json={"timing": "0 5 1 1 *"}, headers=TOKEN)
    assert reply.status_code == 200
    with transaction(platform.engine) as connection:
        found = runs.list_runs(connection)
        advance(connection, "sync-daily-prices", now() - timedelta(days=9))
    assert sorted(run.state for run in found) == ["QUEUED", "SKIPPED"]
    assert all(run.due_at and run.due_at <= taipei for run in found)
    claimed = datetime.fromisoformat(web.get(DAILY).json()["schedule"]["claimed_until"])
    assert now() - claimed < timedelta(minutes=1)


def test_a_word_mends_what_a_clock_that_was_ahead_left_behind(platform: Platform, web: Web) -> None:
    with transaction(platform.engine) as connection:
        assert lock(connection, "sync-daily-prices", at=now() + timedelta(days=400))
    row = web.ask("PATCH", DAILY, json={"enabled": None}, headers=TOKEN).json()["schedule"]
    assert datetime.fromisoformat(row["claimed_until"]) <= now()


def test_preview(platform: Platform, web: Web) -> None:
    reply = web.get("/api/v1/schedules/preview", params={"timing": "Sessions 5  8 * * *"}).json()
    assert (reply["timing"], reply["words"]) == ("sessions 5 8 * * *", "trading days 08:05")
    assert len(reply["next_fires"]) == 5
    assert web.get("/api/v1/schedules/preview", params={"timing": "0 25 * * *"}).status_code == 422


def test_days_and_a_typhoon(platform: Platform, web: Web) -> None:
    days = web.get("/api/v1/calendar", params={"start": "2026-11-20", "end": "2026-11-23"}).json()["days"]
    assert [day["is_session"] for day in days] == [True, False, False, True]
    body = {"state": "closed", "reason": "颱風", "by": "mei"}
    reply = web.ask("PUT", "/api/v1/calendar/2026-11-23", json=body, headers=TOKEN)
    assert reply.status_code == 200, reply.text
    days = web.get("/api/v1/calendar", params={"start": "2026-11-20", "end": "2026-11-23"}).json()["days"]
    assert [day["is_session"] for day in days] == [True, False, False, False]
    assert (days[3]["reason"], days[3]["overridden_by"]) == ("颱風", "mei")
    reply = web.ask("DELETE", "/api/v1/calendar/2026-11-23", headers=TOKEN)
    assert reply.json()["day"]["is_session"] is True
    reply = web.ask("DELETE", "/api/v1/calendar/2026-11-23", headers=TOKEN)
    assert (reply.status_code, reply.json()["message"]) == (422, "Nothing was said of 2026-11-23 before.")


@pytest.mark.parametrize("reason", ["   ", "\t", "typhoon\nopen", "\x1b[31mred", "a\u202eb"])
def test_a_reason_is_one_that_a_person_can_read(platform: Platform, web: Web, reason: str) -> None:
    body = {"state": "closed", "reason": reason}
    reply = web.ask("PUT", "/api/v1/calendar/2026-11-23", json=body, headers=TOKEN)
    assert (reply.status_code, "Say why" in reply.json()["message"]) == (422, True)
    assert web.ask("DELETE", "/api/v1/calendar/2026-11-23", headers=TOKEN).status_code == 422  # nothing was said


@pytest.mark.parametrize(
    ("path", "bodies"),
    [
        (DAILY, [{"late_limit": 100 + one} for one in range(8)]),
        ("/api/v1/calendar/2026-11-23", [{"state": "closed", "reason": f"typhoon {one}"} for one in range(8)]),
    ],
)
def test_the_audit_of_those_who_change_it_at_once_is_one_chain(
    platform: Platform, web: Web, path: str, bodies: list[dict[str, Any]]
) -> None:
    """What one found is what another left, but for the first; what one left is what another found, but for the last."""
    method = "PATCH" if path == DAILY else "PUT"
    with ThreadPoolExecutor(len(bodies)) as pool:
        replies = list(pool.map(lambda body: web.ask(method, path, json=body, headers=TOKEN), bodies))
    assert [one.status_code for one in replies] == [200] * len(bodies)
    with transaction(platform.engine) as connection:
        found = audit.list_rows(connection, limit=20)
    before, after = [dict(one.before or {}) for one in found], [dict(one.after or {}) for one in found]
    assert len(found) == len(bodies)
    (last,) = [word for word in after if word not in before]
    assert sorted(map(str, [*before, last])) == sorted(map(str, [{}, *after]))


@pytest.mark.parametrize(
    ("start", "end"), [("2026-11-23", "2026-11-20"), ("1990-01-01", "1990-01-02"), ("2020-01-01", "2026-01-01")]
)
def test_days_that_cannot_be_told(platform: Platform, web: Web, start: str, end: str) -> None:
    assert web.get("/api/v1/calendar", params={"start": start, "end": end}).status_code == 422
    assert web.get("/api/v1/calendar", params={"start": "2026-02-30", "end": end}).status_code == 422
