"""Connections on which nothing comes, and too many of them: over real sockets."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from app.api import guard, patience
from app.core.logging import configure_logging
from app.core.wiring import Platform
from tests.integration.api.logins import person
from tests.integration.api.served import Served, hear, served, subscribe

LINE = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n"
ANSWERED = LINE + b"\r\n"


@pytest.fixture
def server(platform: Platform, monkeypatch: pytest.MonkeyPatch, free_port: Callable[[], int]) -> Iterator[Served]:
    monkeypatch.setattr(patience, "HEADERS_WITHIN", 0.5)
    monkeypatch.setattr(guard, "BODY_WITHIN", 0.5)
    with served(free_port()) as web:
        yield web


def connected(server: Served) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=10)


def all_of(connection: socket.socket) -> bytes:
    """What comes until it is closed; TimeoutError when it is not."""
    heard = b""
    try:
        while more := connection.recv(65_536):
            heard += more
    except ConnectionResetError:
        pass
    return heard


@pytest.mark.parametrize("said", [b"", LINE, b"GE"], ids=["nothing", "half a request", "two letters"])
def test_who_asks_nothing_is_left(server: Served, said: bytes) -> None:
    with connected(server) as connection:
        connection.sendall(said)
        assert all_of(connection) == b""


def test_who_asks_nothing_after_an_answer_is_left(server: Served) -> None:
    with connected(server) as connection:
        connection.sendall(ANSWERED)
        assert connection.recv(12) == b"HTTP/1.1 200"
        connection.sendall(LINE)
        assert b"HTTP/1.1" not in all_of(connection)


def test_half_a_body_is_not_waited_for(server: Served) -> None:
    with connected(server) as connection:
        head = b"POST /api/v1/login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        connection.sendall(head + b"Content-Length: 900000\r\n\r\n{")
        heard = all_of(connection)
    assert heard.startswith(b"HTTP/1.1 408")
    assert b"A body must come within" in heard


def test_a_live_socket_may_be_silent_for_longer(
    server: Served, platform: Platform, web: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    mei = person(web, platform, "mei", "viewer")  # type: ignore[arg-type]
    with server.socket(mei.headers) as live:
        subscribe(live, "alerts")
        assert hear(live)["data"] == []
        with pytest.raises(TimeoutError):
            live.recv(timeout=1.5)
        subscribe(live, "runs")
        assert hear(live)["topic"] == "runs"


def test_one_connection_too_many_is_closed_at_once(server: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "HEADERS_WITHIN", 60)
    monkeypatch.setattr(patience, "MOST_CONNECTIONS", 3)
    with ExitStack() as stack:
        held = [stack.enter_context(connected(server)) for _ in range(3)]
        held[2].sendall(ANSWERED)
        assert held[2].recv(12) == b"HTTP/1.1 200"
        with connected(server) as another:
            assert all_of(another) == b""


def test_that_no_connection_can_be_taken_is_said_once_a_minute(capfd: pytest.CaptureFixture[str]) -> None:
    configure_logging("INFO")
    for _ in range(100):
        logging.getLogger("asyncio").error("socket.accept() out of system resource\nsocket: <asyncio.TransportSocket>")
    logging.getLogger("asyncio").error("another thing")
    said = capfd.readouterr().err
    assert said.count("out of system resource") == 1
    assert said.count("another thing") == 1
