"""The ledger as its page asks for it: filters, orders and pages, and what doing a run over would ask for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.core.referee import seed_of
from app.core.wiring import Platform
from app.market.security import Venue
from app.store import leases, runs, units
from app.store.engine import transaction
from tests.integration.api.conftest import Web
from tests.integration.api.test_access import ADMIN_TOKEN

AT = datetime(2026, 11, 20, 4, 0, tzinfo=UTC)


def put(
    platform: Platform,
    run_id: str,
    *,
    minute: int = 0,
    seconds: float | None = 1,
    task: str = "app.tasks.sync_ohlcv_data",
    state: str = "PARTIAL",
    parameters: dict[str, Any] | None = None,
    scopes: dict[str, str] | None = None,
) -> None:
    """A run of that *minute*, which took so many seconds (None: it has not ended), with its units' states by scope."""
    at = AT + timedelta(minutes=minute)
    given = parameters or {}
    with transaction(platform.engine) as connection:
        runs.queue(connection, run_id, task=task, parameters=given, trigger="manual", at=at, forced=True)
        leases.start(connection, run_id, task=task, parameters=given, trigger="manual", worker="w", at=at)
        for scope, one in (scopes or {}).items():
            units.record(connection, run_id, dataset="d", venue=Venue.TWSE, scope=scope, state=one, at=at)
        if seconds is not None:
            leases.finish(connection, run_id, state=state, reason="some", at=at + timedelta(seconds=seconds))


def ids(web: Web, **query: Any) -> list[str]:
    reply = web.get("/api/v1/runs", params=query)
    assert reply.status_code == 200, reply.text
    told = reply.json()
    assert told["total"] >= len(told["runs"])
    return [run["id"] for run in told["runs"]]


@pytest.fixture
def three(platform: Platform) -> None:
    put(platform, "long", minute=1, seconds=90)
    put(platform, "short", minute=2, seconds=3, parameters={"stock_ids": ["2330", "0050"]})
    put(platform, "going", minute=3, seconds=None, parameters={"stock_ids": "2330"})


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("newest", ["going", "short", "long"]),
        ("oldest", ["long", "short", "going"]),
        ("longest", ["long", "short", "going"]),
        ("shortest", ["going", "short", "long"]),
    ],
)
def test_each_order_goes_on_where_the_page_before_ended(web: Web, three: None, order: str, expected: list[str]) -> None:
    assert ids(web, order=order) == expected
    told: list[str] = []
    before: str | None = None
    for _ in expected:
        page = web.get("/api/v1/runs", params={"order": order, "limit": 1} | ({"before": before} if before else {}))
        told += [run["id"] for run in page.json()["runs"]]
        before = page.json()["next_before"]
    assert (told, before) == (expected, None)


def test_runs_of_a_security_by_name_or_by_unit(web: Web, platform: Platform, three: None) -> None:
    put(platform, "its units", minute=4, scopes={"2330 2026-11": "SUCCESS"})
    put(platform, "another's", minute=5, scopes={"23301 2026-11": "SUCCESS"}, parameters={"stock_ids": ["23301"]})
    assert ids(web, symbol="2330") == ["its units", "going", "short"]
    assert ids(web, symbol="0050") == ["short"]
    assert ids(web, symbol="%") == []


def test_who_asked_for_it(web: Web, three: None) -> None:
    started = web.post("/api/v1/tasks/sync_qlib/runs", headers=ADMIN_TOKEN).json()["id"]
    who = web.get(f"/api/v1/runs/{started}").json()["started_by"]
    assert who
    assert ids(web, who=who) == [started]
    assert ids(web, who="nobody") == []
    assert web.get("/api/v1/runs/long").json()["started_by"] is None
    window = {"since": (AT - timedelta(hours=1)).isoformat()}
    assert [run["id"] for run in web.get("/api/v1/runs/timeline", params={**window, "who": who}).json()["runs"]] == [
        started
    ]


def test_what_doing_over_would_ask_for(web: Web, platform: Platform) -> None:
    scopes = {"2330 2026-11": "SUCCESS", "0050 2026-11": "FAILED", "2317 2026-11": "PARTIAL"}
    put(platform, "some", scopes=scopes, parameters={"stock_ids": ["2330", "0050", "2317"], "days": 5})
    told = web.get("/api/v1/runs/some/retry").json()
    assert [unit["scope"] for unit in told["units"]] == ["0050 2026-11", "2317 2026-11"]
    assert (told["succeeded"], told["left"], told["by_dataset"], told["not_begun"]) == (1, 2, {"d": 2}, False)
    assert told["parameters"] == {"stock_ids": ["2330", "0050", "2317"], "days": 5, "end_date": "2026-11-20"}
    assert ids(web) == ["some"]  # nothing was started
    queued = web.post("/api/v1/runs/some/retry", headers=ADMIN_TOKEN).json()
    again = web.get(queued["url"]).json()
    assert (again["run"]["retry_of"], again["run"]["parameters"]) == ("some", told["parameters"])
    assert web.get("/api/v1/runs/some").json()["retried_by"] == [queued["id"]]


def test_a_run_that_was_cut_off_is_done_to_its_end(web: Web, platform: Platform) -> None:
    put(platform, "cut", state="CANCELLED", scopes={"2330 2026-11": "SUCCESS"})
    told = web.get("/api/v1/runs/cut/retry").json()
    assert (told["succeeded"], told["left"], told["not_begun"]) == (1, 0, True)


def test_a_comparison_is_done_over_with_the_sample_that_was_drawn(web: Web, platform: Platform) -> None:
    put(platform, "drawn", task="app.tasks.compare_sources", scopes={"2330 a": "FAILED", "2317 a": "SUCCESS"})
    assert web.get("/api/v1/runs/drawn/retry").json()["parameters"]["seed"] == seed_of("drawn")


def test_what_has_no_parts_says_what_to_do_instead(web: Web, platform: Platform) -> None:
    put(platform, "whole", task="app.tasks.sync_qlib", state="FAILED")
    reply = web.get("/api/v1/runs/whole/retry")
    assert reply.status_code == 422
    assert "quantlab runs retry whole --all" in reply.json()["message"]


def test_why_a_run_was_skipped_is_told_as_a_code_too(platform: Platform, web: Web) -> None:
    with transaction(platform.engine) as connection:
        runs.claim(
            connection,
            "skipped",
            task="app.tasks.sync_daily_prices",
            parameters={},
            schedule="some",
            due_at=AT,
            at=AT,
            queue="default",
            priority=5,
            expires_at=None,
            state="SKIPPED",
            reason="Superseded by the run of 2026-11-20 12:00.",
        )
    put(platform, "short")
    said = {one["id"]: one["said"] for one in web.get("/api/v1/runs").json()["runs"]}
    assert said == {"skipped": {"code": "superseded", "facts": {"time": "2026-11-20 12:00"}}, "short": None}
