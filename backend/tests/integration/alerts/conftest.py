"""A receiver of webhooks on loopback, and a watch whose rules the test decides."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from loguru import logger
from sqlalchemy import Engine

from app.ops.alerts import Rule
from app.ops.alerts.channels import Channel, open_channels
from app.ops.alerts.facts import Breach
from app.ops.alerts.telling import Teller
from app.ops.alerts.watch import Watch
from app.store.engine import make_engine


@dataclass
class Receiver:
    """What arrived, and how it answers: a status, or a gate that it waits at first."""

    port: int = 0
    status: int = 200
    gate: threading.Event | None = None
    entered: threading.Event = field(default_factory=threading.Event)
    bodies: list[dict[str, Any]] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"json://someone:hunter2@127.0.0.1:{self.port}/hook"

    @property
    def titles(self) -> list[str]:
        return [body["title"] for body in self.bodies]


ReceiverMaker = Callable[[], Receiver]


@pytest.fixture
def make_receiver() -> Iterator[ReceiverMaker]:
    servers: list[ThreadingHTTPServer] = []

    def make() -> Receiver:
        receiver = Receiver()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                receiver.entered.set()
                if receiver.gate is not None:
                    receiver.gate.wait(30)
                if receiver.status == 200:
                    receiver.bodies.append(body)
                self.send_response(receiver.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        receiver.port = server.server_address[1]
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        servers.append(server)
        return receiver

    yield make
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def receiver(make_receiver: ReceiverMaker) -> Receiver:
    return make_receiver()


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = make_engine(database_url, application_name="tests")
    yield engine
    engine.dispose()


@dataclass
class World:
    """What is wrong: subject → sentence, or an error that the rule raises; and the clock of the backoff."""

    wrong: dict[str, str] = field(default_factory=dict)
    error: Exception | None = None
    seconds: float = 0.0

    def find(self, _: object) -> list[Breach]:
        if self.error:
            raise self.error
        return [Breach(subject, sentence) for subject, sentence in self.wrong.items()]


@pytest.fixture
def said() -> Iterator[list[str]]:
    """Every line of the log, of all levels."""
    lines: list[str] = []
    number = logger.add(lambda line: lines.append(str(line)), level=0)
    yield lines
    logger.remove(number)


@pytest.fixture
def world() -> World:
    return World()


WatchMaker = Callable[..., Watch]


@pytest.fixture
def make_watch(engine: Engine, world: World) -> WatchMaker:
    """Each call is another watcher, with a memory of its own, over the same database and world."""

    def make(*receivers: Receiver, engine: Callable[[], Engine] = lambda: engine) -> Watch:
        channels: list[Channel] = list(open_channels([one.address for one in receivers]).usable)
        teller = Teller(engine, lambda: channels, sender="QuantLab on test", clock=lambda: world.seconds)
        facts: Any = object
        return Watch(engine, facts, teller, rules=[Rule("test", "All is well", world.find)])

    return make
