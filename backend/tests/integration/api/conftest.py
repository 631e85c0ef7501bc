from __future__ import annotations

import asyncio
from functools import cache
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from app.core.config import get_settings
from app.core.wiring import Platform
from app.main import create_app


class Web:
    """The web application, asked without a socket under the name localhost.

    Starlette's own test client wants httpx2, which we have no other use for.
    """

    def __init__(self, app: FastAPI) -> None:
        self._transport = httpx.ASGITransport(app, raise_app_exceptions=False)

    def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        async def once() -> httpx.Response:
            async with httpx.AsyncClient(transport=self._transport, base_url="http://localhost") as client:
                return await client.request(method, path, **options)

        return asyncio.run(once())

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.ask("GET", path, **options)

    def post(self, path: str, **options: Any) -> httpx.Response:
        return self.ask("POST", path, **options)


@pytest.fixture
def web(platform: Platform) -> Web:
    """The web application over the test's own servers, which it looks up with each request: it is made once."""
    return Web(usual_app())


@cache
def usual_app() -> FastAPI:
    """With its routes made, which takes longer than most tests do."""
    return create_app(get_settings())
