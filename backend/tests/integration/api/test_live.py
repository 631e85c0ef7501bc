"""The live socket, over real sockets: who is let in, what is told, and who is sent away."""

from __future__ import annotations

import json
import os
import socket as sockets
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import psutil
import pytest
from sqlalchemy import text
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from app.api import live_feed
from app.core.wiring import Platform
from app.store import heartbeats, incidents, leases, runs
from app.store.engine import transaction
from tests.conftest import wait_until
from tests.integration.api.logins import Person, log_in, person
from tests.integration.api.served import Served, closed_with, hear, served, subscribe

if TYPE_CHECKING:
    from tests.integration.api.conftest import Web

TOPICS = ("runs", "programs", "alerts", "queues", "logs")
ADMIN_TOKEN = {"Authorization": "Bearer correct-horse-battery"}


@pytest.fixture
def server(seeded: Platform, free_port: Callable[[], int]) -> Iterator[Served]:
    with served(free_port()) as web:
        yield web


@pytest.fixture
def mei(seeded: Platform, web: Web) -> Person:
    return person(web, seeded, "mei", "viewer")


def run_sql(platform: Platform, statement: str) -> None:
    with transaction(platform.engine) as connection:
        connection.execute(text(statement))


def test_a_snapshot_of_each_topic_comes_first(server: Served, mei: Person, seeded: Platform) -> None:
    with transaction(seeded.engine) as connection:
        incidents.see(connection, "freshness", "daily bars of TWSE", "They are late.")
        facts = {"slots": 2, "busy": 0, "draining": False, "pool": "prefork"}
        heartbeats.renew(connection, "worker", "celery@x", host="h", pid=1, started=True, facts=facts)
    with server.socket(mei.headers) as socket:
        subscribe(socket, *TOPICS)
        first = {message["topic"]: message for message in (hear(socket) for _ in TOPICS)}
        assert set(first) == set(TOPICS)
        assert [run["id"] for run in first["runs"]["data"]] == ["run-3", "run-2", "run-1"]
        failed = first["runs"]["data"][1]
        assert failed == mei.get("/api/v1/runs/run-2").json()["run"]
        assert first["programs"]["data"] == [
            {
                "kind": "worker",
                "name": "celery@x",
                "state": "idle",
                "busy": 0,
                "slots": 2,
                "draining": False,
                "pool": "prefork",
            }
        ]
        assert first["logs"]["data"] == 0  # nobody has written a line
        assert [one["sentence"] for one in first["alerts"]["data"]] == ["They are late."]
        assert set(first["queues"]["data"]) >= {"default", "export"} or first["queues"]["data"]
        assert abs((datetime.fromisoformat(first["runs"]["at"]) - datetime.now(UTC)).total_seconds()) < 5
        # Nothing changes, so nothing comes, though the heartbeat is renewed and the incident seen again.
        with transaction(seeded.engine) as connection:
            incidents.see(connection, "freshness", "daily bars of TWSE", "They are late.")
            heartbeats.renew(connection, "worker", "celery@x", host="h", pid=1, started=False, facts=facts)
        with pytest.raises(TimeoutError):
            socket.recv(timeout=2.5)


def test_a_change_comes_within_two_seconds_to_all_who_want_it(server: Served, mei: Person, seeded: Platform) -> None:
    with server.socket(mei.headers) as one, server.socket(ADMIN_TOKEN) as two, server.socket(mei.headers) as other:
        for socket, topic in ((one, "runs"), (two, "runs"), (other, "alerts")):
            subscribe(socket, topic)
            hear(socket)
        at = datetime.now(UTC)
        with transaction(seeded.engine) as connection:
            leases.start(
                connection, "run-3", task="app.tasks.sync_qlib", parameters={}, trigger="manual", worker="w", at=at
            )
            leases.progress(connection, "run-3", 1, {"done": 1, "total": 4, "what": "2330"})
        start = time.monotonic()
        told = [hear(socket, 5)["data"] for socket in (one, two)]
        assert time.monotonic() - start < 2
        assert told[0] == told[1]
        assert (told[0][0]["id"], told[0][0]["state"]) == ("run-3", "STARTED")
        assert told[0][0]["progress"] == {"done": 1, "total": 4, "what": "2330", "said": None}
        with pytest.raises(TimeoutError):
            other.recv(timeout=1.5)


def test_all_pages_together_are_one_look(
    server: Served, mei: Person, seeded: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = []
    read = server.feed.topics["runs"]
    monkeypatch.setitem(server.feed.topics, "runs", lambda: looks.append(1) or read())
    with ExitStack() as stack:
        pages = [stack.enter_context(server.socket(mei.headers)) for _ in range(20)]
        for page in pages:
            subscribe(page, "runs")
        start = len(looks)
        for page in pages:
            hear(page)
        began = time.monotonic()
        wait_until(lambda: time.monotonic() - began > 3, what="three seconds")
        assert 2 <= len(looks) - start <= 6
    wait_until(lambda: server.feed._looking is None or server.feed._looking.done(), what="the end of looking")


@pytest.mark.parametrize(
    "headers", [{}, {"Cookie": "quantlab_session=made-up"}, {"Authorization": "Bearer wrong"}, {"Cookie": "other=1"}]
)
def test_without_a_session_it_is_accepted_and_closed(server: Served, headers: dict[str, str]) -> None:
    with server.socket(headers) as socket:
        assert closed_with(socket) == 4401


@pytest.mark.parametrize("headers", [{"Origin": "http://evil.example"}, {"Origin": "null"}])
def test_another_sites_page_gets_no_socket(server: Served, mei: Person, headers: dict[str, str]) -> None:
    with pytest.raises(InvalidStatus) as refused:
        server.socket(mei.headers | headers)
    assert refused.value.response.status_code == 403


def test_a_name_that_is_not_ours_gets_no_socket(server: Served, mei: Person) -> None:
    """DNS rebinding: a page of evil.example whose name suddenly means 127.0.0.1."""
    raw = sockets.create_connection(("127.0.0.1", server.port))
    headers = mei.headers | {"Origin": f"http://evil.example:{server.port}"}
    with pytest.raises(InvalidStatus) as refused:
        connect(f"ws://evil.example:{server.port}/api/v1/live", sock=raw, additional_headers=headers, proxy=None)
    assert refused.value.response.status_code == 403


def test_our_own_page_gets_one(server: Served, mei: Person) -> None:
    with server.socket(mei.headers | {"Origin": f"http://localhost:{server.port}"}) as socket:
        subscribe(socket, "queues")
        assert hear(socket)["topic"] == "queues"


@pytest.mark.parametrize(
    "how",
    [
        "DELETE FROM web_sessions",
        "UPDATE web_sessions SET seen_at = seen_at - interval '13 hours'",
        "UPDATE users SET disabled_at = now()",
    ],
)
def test_the_end_of_the_session_closes_the_socket(server: Served, mei: Person, seeded: Platform, how: str) -> None:
    with server.socket(mei.headers) as socket, server.socket(ADMIN_TOKEN) as other:
        for one in (socket, other):
            subscribe(one, "alerts")
            hear(one)
        run_sql(seeded, how)
        start = time.monotonic()
        assert closed_with(socket) == 4401
        assert time.monotonic() - start < 3
        with pytest.raises(TimeoutError):
            other.recv(timeout=0.5)


def test_a_revoked_token_closes_the_socket(server: Served, web: Web, seeded: Platform) -> None:
    made = web.post("/api/v1/tokens", json={"name": "robot"}, headers=ADMIN_TOKEN).json()
    with server.socket({"Authorization": f"Bearer {made['token']}"}) as socket:
        subscribe(socket, "alerts")
        hear(socket)
        web.ask("DELETE", f"/api/v1/tokens/{made['made']['id']}", headers=ADMIN_TOKEN)
        assert closed_with(socket) == 4401


@pytest.mark.parametrize(
    "message",
    [
        "",
        "{}",
        "[]",
        "subscribe",
        '{"subscribe": "runs"}',
        '{"subscribe": ["secrets"]}',
        '{"subscribe": [1]}',
        "[" * 900,
    ],
)
def test_what_is_not_understood(server: Served, mei: Person, message: str) -> None:
    with server.socket(mei.headers) as socket:
        socket.send(message)
        assert closed_with(socket) == 1008


def test_a_message_that_is_too_long(server: Served, mei: Person) -> None:
    with server.socket(mei.headers) as socket:
        socket.send("x" * 70_000)
        assert closed_with(socket) == 1009


def test_who_reads_too_slowly_is_closed_and_nobody_else(
    server: Served, mei: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever stops reading holds up nobody, costs no more memory from then on, and is told to come back."""
    numbers = iter(range(1_000_000))
    monkeypatch.setattr(live_feed, "EVERY", 0.01)
    monkeypatch.setitem(server.feed.topics, "queues", lambda: {"n": next(numbers), "x": os.urandom(150_000).hex()})
    raw = sockets.socket()
    raw.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4_096)
    raw.connect(("127.0.0.1", server.port))
    options = {"compression": None, "max_size": None}
    with (
        server.socket(mei.headers, sock=raw, max_queue=1, **options) as slow,
        server.socket(mei.headers, **options) as quick,
    ):
        subscribe(slow, "queues")
        subscribe(quick, "queues")
        heard = [hear(quick)["data"]["n"]]
        while len(server.feed._pages) == 2:
            heard.append(hear(quick)["data"]["n"])
        heard += [hear(quick)["data"]["n"] for _ in range(10)]
        assert heard == list(range(heard[0], heard[0] + len(heard))), "the quick one missed one"
        assert closed_with(slow) == 1013


def test_fifty_pages_for_a_while_cost_little_memory(
    server: Served, mei: Person, seeded: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_feed, "EVERY", 0.02)
    numbers = iter(range(1_000_000))
    monkeypatch.setitem(server.feed.topics, "runs", lambda: [{"n": next(numbers), "x": "x" * 50_000}])
    process = psutil.Process()
    with ExitStack() as stack:
        pages = [stack.enter_context(server.socket(mei.headers)) for _ in range(50)]
        for page in pages:
            subscribe(page, "runs")

        def hear_all(times: int) -> None:
            for _ in range(times):
                for page in pages:
                    hear(page)

        hear_all(5)
        before = process.memory_info().rss
        hear_all(40)
        # 50 pages x 40 messages of 50 kB are 100 MB, on the clients' side of the process as on the server's.
        assert process.memory_info().rss - before < 20_000_000
        assert len(server.feed._pages) == 50
    wait_until(lambda: not server.feed._pages, what="their going")


def test_too_many_pages_are_asked_to_come_later(server: Served, mei: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_feed, "MOST_PAGES", 2)
    with server.socket(mei.headers), server.socket(mei.headers):
        wait_until(lambda: len(server.feed._pages) == 2, what="two pages")
        with server.socket(mei.headers) as third:
            assert closed_with(third) == 1013


def test_one_person_shuts_nobody_out(server: Served, web: Web, mei: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_feed, "MOST_OF_ONE", 2)
    again = Person(web, log_in(web, "mei").cookies["quantlab_session"])
    with server.socket(mei.headers), server.socket(again.headers):
        wait_until(lambda: len(server.feed._pages) == 2, what="two pages")
        with server.socket(again.headers) as third:
            assert closed_with(third) == 1013
        with server.socket(ADMIN_TOKEN) as another:
            subscribe(another, "runs")
            assert hear(another)["topic"] == "runs"


def test_after_a_restart_of_the_server_a_page_gets_everything_anew(
    server: Served, mei: Person, seeded: Platform
) -> None:
    with server.socket(mei.headers) as socket:
        subscribe(socket, "runs")
        hear(socket)
        server.stop()
        assert closed_with(socket) == 1012
    with transaction(seeded.engine) as connection:
        runs.queue(
            connection,
            "run-4",
            task="app.tasks.sync_qlib",
            parameters={"n": 4},
            trigger="api",
            at=datetime(2026, 11, 24, tzinfo=UTC),
        )
    server.start()
    with server.socket(mei.headers) as socket:
        subscribe(socket, "runs")
        assert hear(socket)["data"][0]["id"] == "run-4"


def test_a_database_that_is_away_closes_nothing(
    server: Served, mei: Person, seeded: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    from app.errors import StoreUnavailable

    with server.socket(mei.headers) as socket:
        subscribe(socket, "alerts")
        hear(socket)

        def away(*_: object) -> object:
            raise StoreUnavailable("PostgreSQL is away.")

        for place in (server.feed, "_still_there"), (server.feed, "topics"):
            value = away if place[1] == "_still_there" else dict.fromkeys(TOPICS, away)
            monkeypatch.setattr(*place, value)
        with pytest.raises(TimeoutError):
            socket.recv(timeout=2)
        monkeypatch.undo()
        with transaction(seeded.engine) as connection:
            incidents.see(connection, "freshness", "x", "It is late.")
        assert json.dumps(hear(socket)["data"]).count("It is late.") == 1
