from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

import httpx
import pytest
import uvicorn

from app.sandbox.exchange import TAIPEI
from app.sandbox.faulty import App
from app.sandbox.server import create_app, fixed_clock
from app.sandbox.synthetic import SyntheticPrices

# A Monday evening: its tables are published.
EVENING = datetime(2026, 11, 23, 20, 0, tzinfo=TAIPEI)


@pytest.fixture(scope="session")
def prices() -> SyntheticPrices:
    return SyntheticPrices(seed=7)


@pytest.fixture
def make_app(prices: SyntheticPrices) -> Callable[[datetime], App]:
    return lambda now: create_app(prices, clock=fixed_clock(now))


@pytest.fixture
def app(make_app: Callable[[datetime], App]) -> App:
    return make_app(EVENING)


def request(app: App, path: str, *, method: str = "GET", **more: object) -> httpx.Response:
    async def go() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://sandbox") as client:
            return await client.request(method, path, **more)  # type: ignore[arg-type]

    return asyncio.run(go())


@pytest.fixture
def ask() -> Callable[..., httpx.Response]:
    """Ask an application in this process, without a server."""
    return request


@contextmanager
def serving(app: App) -> Iterator[str]:
    config = uvicorn.Config(app, port=0, log_config=None, access_log=False, lifespan="off")
    listener = config.bind_socket()
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    deadline = time.monotonic() + 20
    while not server.started:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(20)
        listener.close()


@pytest.fixture
def live(app: App) -> Iterator[str]:
    """The address of a real server."""
    with serving(app) as address:
        yield address
