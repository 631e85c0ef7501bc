"""Who may do what: every route that changes something, attacked in every way that must fail, and audited."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from app import admin, api
from app.core import schedules, workers
from app.core.celery_app import app as celery_app
from app.core.config import get_settings
from app.core.watching import make_pulse
from app.core.wiring import Platform, now
from app.export.snapshots import find_snapshot
from app.main import create_app
from app.market.calendar import TAIPEI
from app.market.security import Venue
from app.ops.pulse import Pulse
from app.services.export_qlib import export_qlib
from app.services.identity import operator
from app.services.tokens import make_token
from app.sources.base import RejectedRow
from app.store import audit, leases, quarantine, units
from app.store.engine import transaction
from tests.conftest import wait_until
from tests.integration.api.conftest import Web
from tests.integration.api.logins import OURS, PASSWORD, Person, person

if TYPE_CHECKING:
    import httpx

    from app.store.audit import AuditRow

ADMIN_TOKEN = {"Authorization": "Bearer correct-horse-battery"}
SAFE = {"GET", "HEAD", "OPTIONS"}
WITHOUT_LOGIN = {("POST", "/api/v1/login"), ("POST", "/api/v1/logout")}
OF_ONES_OWN = {("PUT", "/api/v1/me/password")}
"""What a viewer changes, too: tests/integration/api/test_login.py."""
DAY = "/api/v1/calendar/{day}"
DAILY = "/api/v1/schedules/{name}"

Prepare = Callable[[Platform, Web], object]


@dataclass(frozen=True)
class Change:
    """How a route is used once, and what the audit says of it."""

    action: str
    prepare: Prepare
    """Makes what is changed; its result is what the path's parameter takes."""
    body: Any = None


def quarantined(platform: Platform, _: Web) -> object:
    values = {"open": 9_900_000, "high": 9_800_000, "low": 9_800_000, "close": 9_850_000, "volume": 1, "change": None}
    row = RejectedRow("ohlc-order", "Out of order.", {"最高價": "980"}, "2330", date(2026, 11, 18), values)
    with transaction(platform.engine) as connection:
        (made,) = quarantine.add(connection, [row], venue=Venue.TWSE, dataset="daily_bars", run_id=None, at=now())
    return made


def session(platform: Platform, web: Web) -> object:
    return person(web, platform, "leaver", "viewer").get("/api/v1/sessions").json()["sessions"][0]["id"]


def token(platform: Platform, _: Web, *, scope: str = "read", name: str = "old") -> object:
    today = now().astimezone(TAIPEI).date()
    return make_token(platform.engine, name, scope=scope, by=operator("mei"), expires_on=None, today=today)[1].id


def run(_: Platform, web: Web) -> object:
    return web.post("/api/v1/tasks/sync_qlib/runs", headers=ADMIN_TOKEN).json()["id"]


def backfill(_: Platform, web: Web) -> object:
    body = {"parameters": {"start": "2026-11-02", "end": "2026-11-03"}}
    return web.post("/api/v1/tasks/backfill_bars/runs", json=body, headers=ADMIN_TOKEN).json()["id"]


def paused_backfill(platform: Platform, web: Web) -> object:
    run_id = backfill(platform, web)
    assert web.post(f"/api/v1/backfill/{run_id}/pause", headers=ADMIN_TOKEN).status_code == 200
    return run_id


def failed_run(platform: Platform, web: Web) -> object:
    run_id = web.post("/api/v1/tasks/sync_stock_list/runs", headers=ADMIN_TOKEN).json()["id"]
    at = now()
    with transaction(platform.engine) as connection:
        leases.start(
            connection, run_id, task="app.tasks.sync_stock_list", parameters={}, trigger="api", worker="w", at=at
        )
        units.record(
            connection, run_id, dataset="securities", venue=Venue.TWSE, scope="list", state="FAILED", at=at, error="no"
        )
        leases.finish(connection, run_id, state="FAILED", error="no", error_type="E", at=at)
    return run_id


_workers: list[subprocess.Popen[bytes]] = []
_hearts: list[Pulse] = []


def worker(_: Platform, __: Web) -> object:
    """A real one, with a pool of processes; it is ended after the test."""
    name = f"celery@{os.getpid()}-{len(_workers)}"
    celery = Path(sys.executable).with_name("celery")
    words = ["-A", "app.core.celery_app", "worker", "-n", name, "--without-mingle", "--without-gossip", "-c", "1"]
    _workers.append(subprocess.Popen([celery, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
    wait_until(lambda: celery_app.control.ping(destination=[name], timeout=0.5), within=60)
    return name


def beating(_: Platform, __: Web) -> object:
    """The heart of a worker that is none: nobody answers for it. It ends with the test."""
    _hearts.append(make_pulse("worker", "celery@none"))
    _hearts[0].start()
    wait_until(workers.list_living)
    return ""


@pytest.fixture(autouse=True)
def _end_workers() -> Iterator[None]:
    yield
    while _hearts:
        _hearts.pop().stop()
    for thread in threading.enumerate():
        if thread.name == workers.RESTART_ALL:
            thread.join(30)  # it looks for what this test's servers hold
    while _workers:
        process = _workers.pop()
        process.terminate()
        process.wait(timeout=30)


def exported(platform: Platform, _: Web) -> object:
    """Two snapshots, of which the older one's name is the answer; the paths' other parameter is the kind."""
    names = []
    for hour in (1, 2):
        context = replace(platform.context(), clock=lambda hour=hour: datetime(2026, 11, 23, hour, tzinfo=UTC))
        export_qlib(context, keep=3, force=True)
        names.append(find_snapshot(platform.settings.data_dir / "exports/qlib", None).name)
    return names[0]


def closed_day(_: Platform, web: Web) -> object:
    body = {"state": "closed", "reason": "颱風"}
    assert web.ask("PUT", DAY.format(day="2026-11-23"), json=body, headers=ADMIN_TOKEN).status_code == 200
    return "2026-11-23"


def user(platform: Platform, web: Web) -> object:
    return person(web, platform, "leaver", "viewer") and "leaver"


def the(word: str) -> Prepare:
    return lambda _platform, _web: word


NOTE = {"note": "seen"}
CHANGES: dict[tuple[str, str], Change] = {
    ("POST", "/api/v1/tasks/{name}/runs"): Change("run.start", the("sync_stock_list"), {"parameters": {}}),
    ("POST", "/api/v1/runs/{run_id}/cancel"): Change("run.cancel", run),
    ("POST", "/api/v1/backfill/{run_id}/pause"): Change("backfill.pause", backfill),
    ("POST", "/api/v1/backfill/{run_id}/resume"): Change("backfill.resume", paused_backfill),
    ("POST", "/api/v1/runs/{run_id}/retry"): Change("run.retry", failed_run),
    ("POST", "/api/v1/workers/{name}/drain"): Change("worker.drain", worker),
    ("POST", "/api/v1/workers/{name}/resume"): Change("worker.resume", worker),
    ("PUT", "/api/v1/workers/{name}/slots"): Change("worker.resize", worker, {"slots": 2}),
    ("POST", "/api/v1/workers/{name}/restart"): Change("worker.restart", worker),
    ("POST", "/api/v1/workers/restart"): Change("worker.restart-all", beating),
    ("PATCH", DAILY): Change("schedule.change", the("sync-daily-prices"), {"enabled": False}),
    ("DELETE", DAILY + "/override"): Change("schedule.reset", the("sync-daily-prices")),
    ("PUT", DAY): Change("calendar.override", the("2026-11-24"), {"state": "closed", "reason": "颱風"}),
    ("DELETE", DAY): Change("calendar.forget", closed_day),
    ("POST", "/api/v1/exports/{kind}/{name}/verify"): Change("export.verify", exported),
    ("POST", "/api/v1/exports/{kind}/{name}/rollback"): Change("export.rollback", exported),
    ("POST", "/api/v1/catch-up/pause"): Change("catch-up.pause", the("")),
    ("POST", "/api/v1/catch-up/resume"): Change("catch-up.resume", the("")),
    ("POST", "/api/v1/alerts/test"): Change("alerts.test", the("")),
    ("POST", "/api/v1/quarantine/{row_id}/release"): Change("quarantine.release", quarantined, NOTE),
    ("POST", "/api/v1/quarantine/{row_id}/dismiss"): Change("quarantine.dismiss", quarantined, NOTE),
    ("POST", "/api/v1/users"): Change("user.add", the(""), {"name": "mei", "role": "viewer", "password": PASSWORD}),
    ("PATCH", "/api/v1/users/{name}"): Change("user.change", user, {"disabled": True}),
    ("POST", "/api/v1/tokens"): Change("token.make", the(""), {"name": "notebook", "scope": "read"}),
    ("DELETE", "/api/v1/tokens/{token_id}"): Change("token.revoke", token),
    ("DELETE", "/api/v1/sessions/{session_id}"): Change("session.end", session),
}


def routes() -> Iterator[tuple[str, str]]:
    """Every method and path of the application."""
    for router in (*api.OPEN, *api.ROUTERS, *admin.ROUTERS):
        for route in router.routes:
            for method in getattr(route, "methods", None) or ():
                yield method, getattr(route, "path", "")


@pytest.fixture(autouse=True)
def _nothing_remembered(monkeypatch: pytest.MonkeyPatch, free_port: Callable[[], int]) -> None:
    schedules._forget_rows()
    monkeypatch.setenv("QUANTLAB_ALERTS", f"json://127.0.0.1:{free_port()}")


def filled(path: str, value: object) -> str:
    path = path.replace("{kind}", "qlib")
    begin, brace, rest = path.partition("{")
    return begin + str(value) + rest.partition("}")[2] if brace else path


def rows(platform: Platform) -> list[AuditRow]:
    with transaction(platform.engine) as connection:
        return audit.list_rows(connection, limit=500)


def test_every_change_is_known_here() -> None:
    unsafe = {(method, path) for method, path in routes() if method not in SAFE}
    assert unsafe == set(CHANGES) | WITHOUT_LOGIN | OF_ONES_OWN


@pytest.mark.parametrize(("route", "change"), CHANGES.items(), ids=lambda one: getattr(one, "action", ""))
def test_a_change(seeded: Platform, web: Web, route: tuple[str, str], change: Change) -> None:
    method, template = route
    path = filled(template, change.prepare(seeded, web))
    viewer, boss = person(web, seeded, "viewer", "viewer"), person(web, seeded, "boss", "admin")
    today = now().astimezone(TAIPEI).date()
    read_only = make_token(seeded.engine, "reader", scope="read", by=operator("boss"), expires_on=None, today=today)[0]
    before = rows(seeded)
    body = {} if change.body is None else {"json": change.body}

    def status(**headers: str) -> int:
        reply = web.ask(method, path, headers=headers, **body)
        assert reply.json()["message"].endswith("."), reply.text
        return reply.status_code

    # Nobody, nobody that is known, and those who may only look.
    assert status() == 401
    assert status(Authorization="Bearer ql_made-up", **boss.headers, **OURS) == 401
    assert status(Authorization="Bearer wrong") == 401
    assert status(Cookie="quantlab_session=made-up", **OURS) == 401
    assert status(**viewer.headers, **OURS) == 403
    assert status(Authorization=f"Bearer {read_only}") == 403
    # An admin's browser on the page of another site.
    assert status(**boss.headers) == 403
    assert status(**boss.headers, **{"X-QuantLab": "yes"}) == 403
    for origin in ("http://evil.example", "null", "http://localhost:81", "http://[", "https://localhost.evil.example"):
        assert status(**boss.headers, **OURS, Origin=origin) == 403
    assert rows(seeded) == before

    reply = boss.ask(method, path, headers=OURS | {"Origin": "http://localhost"}, **body)
    assert 200 <= reply.status_code < 300, reply.text
    (row, *rest) = rows(seeded)
    assert rest == before
    assert (row.who, row.via, row.action, row.outcome, row.error) == ("boss", "session", change.action, "done", None)
    assert row.subject
    assert PASSWORD not in str(row)


@pytest.mark.parametrize(
    ("headers", "who", "via"), [(ADMIN_TOKEN, "admin-token", "admin-token"), ({}, "robot", "token")]
)
def test_programs_need_no_header_and_no_origin(
    platform: Platform, web: Web, headers: dict[str, str], who: str, via: str
) -> None:
    if not headers:
        made = {"name": "robot", "scope": "admin"}
        text = web.post("/api/v1/tokens", json=made, headers=ADMIN_TOKEN).json()["token"]
        headers = {"Authorization": f"Bearer {text}"}
    path, body = filled(DAILY, "sync-daily-prices"), {"enabled": False, "by": "mei"}
    reply = web.ask("PATCH", path, json=body, headers=headers)
    assert reply.status_code == 200
    # Only the admin token, which is nobody's, may speak for somebody.
    assert reply.json()["schedule"]["changed_by"] == ("mei" if via == "admin-token" else "robot")
    row = rows(platform)[0]
    assert (row.who, row.via, row.before, row.after) == (who, via, {}, {"enabled": False})


def test_what_is_refused_leaves_no_row_and_what_fails_says_why(
    platform: Platform, web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = filled(DAILY, "sync-daily-prices")
    assert web.ask("PATCH", path, json={"timing": "never"}, headers=ADMIN_TOKEN).status_code == 422
    assert rows(platform) == []

    def broken(*_: object, **__: object) -> object:
        raise RuntimeError("postgresql://user:secret@host")

    monkeypatch.setattr(schedules, "change_schedule", broken)
    reply = web.ask("PATCH", path, json={"enabled": False}, headers=ADMIN_TOKEN)
    assert (reply.status_code, reply.json()["error"], "secret" in reply.text) == (500, "Unexpected", False)
    (row,) = rows(platform)
    assert (row.outcome, row.error, row.after) == ("failed", "RuntimeError", None)


@pytest.mark.parametrize("slots", [True, "1", 1.0, 0, 65, None])
def test_a_worker_is_given_a_number_of_slots_and_nothing_like_one(web: Web, slots: object) -> None:
    reply = web.ask("PUT", "/api/v1/workers/celery@one/slots", json={"slots": slots}, headers=ADMIN_TOKEN)
    assert (reply.status_code, reply.json()["error"]) == (422, "InvalidParameter")


def test_a_worker_that_does_not_answer(platform: Platform, web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    """Frozen before it is asked, it is told nothing. Told and then silent, nobody knows, and the audit says so."""
    monkeypatch.setattr(workers, "ANSWER_WITHIN", 1.0)
    name = str(worker(platform, web))
    process = _workers[-1]
    assert web.post(f"/api/v1/workers/{name}/drain", headers=ADMIN_TOKEN).status_code == 200
    assert web.post(f"/api/v1/workers/{name}/resume", headers=ADMIN_TOKEN).status_code == 200
    before = rows(platform)
    process.send_signal(signal.SIGSTOP)
    try:
        reply = web.post(f"/api/v1/workers/{name}/drain", headers=ADMIN_TOKEN)
        assert (reply.status_code, reply.json()["error"]) == (404, "UnknownWorker")
        assert rows(platform) == before
    finally:
        process.send_signal(signal.SIGCONT)
    wait_until(lambda: celery_app.control.ping(destination=[name], timeout=0.5), within=30)
    tell = celery_app.control.broadcast

    def freeze_after_ping(command: str, **options: Any) -> Any:
        answer = tell(command, **options)
        if command == "ping":
            process.send_signal(signal.SIGSTOP)
        return answer

    try:
        with monkeypatch.context() as patched:
            patched.setattr(celery_app.control, "broadcast", freeze_after_ping)
            patched.setattr(workers, "OBEYED_WITHIN", 0.0)
            reply = web.post(f"/api/v1/workers/{name}/drain", headers=ADMIN_TOKEN)
    finally:
        process.send_signal(signal.SIGCONT)
    assert (reply.status_code, reply.json()["error"]) == (504, "UnknownOutcome")
    row = rows(platform)[0]
    assert (row.action, row.outcome, "may still obey" in str(row.error)) == ("worker.drain", "failed", True)
    wait_until(lambda: celery_app.control.ping(destination=[name], timeout=0.5), within=30)
    # It obeys in the order of coming: this answer comes after what it made of the drain.
    queues: Any = celery_app.control.inspect(destination=[name], timeout=20, limit=1).active_queues()
    assert queues[name], "the drain came too late, so the worker still takes from its queues"


def test_the_audit_is_paged_and_filtered(platform: Platform, web: Web) -> None:
    boss = person(web, platform, "boss", "admin")
    for day in range(2, 9):
        body = {"state": "closed", "reason": "颱風"}
        boss.ask("PUT", filled(DAY, f"2026-11-0{day}"), json=body)
    seen, before = [], ""
    while before is not None:
        page = boss.get(f"/api/v1/audit?limit=3&action=calendar&who=boss{before and f'&before={before}'}").json()
        seen += [row["subject"] for row in page["rows"]]
        before = page["next_before"]
    assert seen == [f"2026-11-0{day}" for day in range(8, 1, -1)]
    assert boss.get("/api/v1/audit?who=nobody").json()["rows"] == []
    first = boss.get("/api/v1/audit?limit=1").json()["rows"][0]
    assert (first["before"], first["after"]["state"], first["after"]["by"]) == (None, "closed", "boss")


def test_what_people_may_see(platform: Platform, web: Web) -> None:
    viewer, boss = person(web, platform, "viewer", "viewer"), person(web, platform, "boss", "admin")

    def statuses(path: str) -> list[int]:
        return [web.get(path).status_code, viewer.get(path).status_code, boss.get(path).status_code]

    for path in ("/api/v1/me", "/api/v1/sessions", "/api/v1/audit"):
        assert statuses(path) == [401, 200, 200], path
    for path in ("/api/v1/users", "/api/v1/tokens"):
        assert statuses(path) == [401, 403, 200], path
    own = [one["name"] for one in viewer.get("/api/v1/sessions").json()["sessions"]]
    assert own == ["viewer"]
    sessions = boss.get("/api/v1/sessions").json()["sessions"]
    assert {(one["name"], one["this"]) for one in sessions} == {("viewer", False), ("boss", True)}


READS = ("securities", "bars/2330", "bars?symbols=2330", "quotes", "runs", "tasks", "schedules", "catch-up", "exports")


def test_reading_needs_a_login_where_the_setting_says_so(
    seeded: Platform, web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    viewer = person(web, seeded, "viewer", "viewer")

    def statuses(settings: dict[str, str], who: Person | None) -> set[int]:
        for name in ("HOST", "QUANTLAB_LOGIN"):
            monkeypatch.delenv(name, raising=False)
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        get_settings.cache_clear()
        there = Web(create_app(get_settings()))
        headers = {} if who is None else who.headers
        assert there.get("/health/live").status_code == 200
        return {there.get(f"/api/v1/{path}", headers=headers).status_code for path in READS}

    assert statuses({}, None) == {200}
    assert statuses({"HOST": "0.0.0.0", "QUANTLAB_LOGIN": "changes"}, None) == {200}
    for settings in ({"QUANTLAB_LOGIN": "always"}, {"HOST": "0.0.0.0"}, {"HOST": "192.0.2.1"}):
        assert statuses(settings, None) == {401}
        assert statuses(settings, viewer) == {200}


def test_every_read_needs_a_login_where_the_setting_says_so(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever a route is, nobody gets to its own checks."""
    monkeypatch.setenv("QUANTLAB_LOGIN", "always")
    get_settings.cache_clear()
    there = Web(create_app(get_settings()))
    open_paths = {getattr(route, "path", "") for router in (*api.OPEN, *admin.ROUTERS) for route in router.routes}
    closed = {path for method, path in routes() if method == "GET"} - open_paths
    assert len(closed) > 20

    def answer(path: str) -> httpx.Response:
        return there.get(filled(path, "2330"))

    assert {path for path in closed if answer(path).status_code != 401} == set()
    assert {path for path in open_paths if path.startswith("/api/")} == {
        "/api/v1/login",
        "/api/v1/logout",
        "/api/v1/live",
        "/api/v1/me",
        "/api/v1/me/password",
        "/api/v1/sessions",
        "/api/v1/sessions/{session_id}",
    }


def test_no_route_is_anywhere_else(platform: Platform) -> None:
    """The lists that the tests above walk are all that the application has."""
    included = [one for one in create_app(get_settings()).routes if type(one).__name__ == "_IncludedRouter"]
    others = [getattr(one, "path", "") for one in create_app(get_settings()).routes if one not in included]
    assert len(included) == len(api.OPEN) + len(api.ROUTERS) + len(admin.ROUTERS)
    assert {path for path in others if path} >= {"/openapi.json", "/"}
    described = {
        (method.upper(), path)
        for path, methods in create_app(get_settings()).openapi()["paths"].items()
        for method in methods
    }
    assert {one for one in described if one[0] not in SAFE} == set(CHANGES) | WITHOUT_LOGIN | OF_ONES_OWN
