"""People who logged in, for the tests of whoever may do what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx

from app.services.users import add_user

if TYPE_CHECKING:
    from app.core.wiring import Platform
    from tests.integration.api.conftest import Web

PASSWORD = "correct horse battery staple"
OURS = {"X-QuantLab": "1"}


class Person:
    """Somebody with the cookie of a session, whose page sends the header that ours sends."""

    def __init__(self, web: Web, cookie: str) -> None:
        self.web, self.cookie = web, cookie

    @property
    def headers(self) -> dict[str, str]:
        return {"Cookie": f"quantlab_session={self.cookie}"}

    def ask(self, method: str, path: str, *, headers: dict[str, str] | None = None, **options: Any) -> httpx.Response:
        given = self.headers | (OURS if headers is None else headers)
        return self.web.ask(method, path, headers=given, **options)

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.ask("GET", path, **options)


def log_in(web: Web, name: str, password: str = PASSWORD, **options: Any) -> httpx.Response:
    return web.post("/api/v1/login", json={"name": name, "password": password}, **options)


def person(web: Web, platform: Platform, name: str, role: str) -> Person:
    """A new user, logged in."""
    add_user(platform.engine, name, role=role, password=PASSWORD)
    reply = log_in(web, name)
    assert reply.status_code == 200, reply.text
    return Person(web, reply.cookies["quantlab_session"])
