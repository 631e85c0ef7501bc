"""The web application on a port, in a thread of the test's process: for what needs a real socket."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from app.core.config import get_settings
from app.main import create_app, server
from tests.conftest import wait_until


class Served:
    """A web that serves until it is stopped; it may be started again on the same port."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.start()

    def start(self) -> None:
        settings = get_settings().model_copy(update={"port": self.port})
        app = create_app(settings)
        self.feed = app.state.live
        self._server = server(app, settings)
        self._server.config.lifespan = "off"
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        wait_until(lambda: self._server.started, what="the web")

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(30)
        assert not self._thread.is_alive()

    def socket(self, headers: dict[str, str] | None = None, **options: Any) -> ClientConnection:
        url = f"ws://localhost:{self.port}/api/v1/live"
        return connect(url, additional_headers=headers or {}, **({"proxy": None, "open_timeout": 10} | options))


@contextmanager
def served(port: int) -> Iterator[Served]:
    web = Served(port)
    try:
        yield web
    finally:
        web.stop()


def subscribe(socket: ClientConnection, *topics: str) -> None:
    socket.send(json.dumps({"subscribe": list(topics)}))


def hear(socket: ClientConnection, within: float = 10.0) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(socket.recv(timeout=within))
    return message


def closed_with(socket: ClientConnection, within: float = 10.0) -> int | None:
    """The code with which the server closes; whatever comes before is passed over."""
    try:
        while True:
            socket.recv(timeout=within)
    except ConnectionClosed as end:
        return None if end.rcvd is None else end.rcvd.code
