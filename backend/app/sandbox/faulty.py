"""The application with its faults: an ASGI wrapper that sees every request before and every body after the pages."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from app.sandbox.exchange import serve_previous
from app.sandbox.faults import SITES, Fault, FaultBook, Kind
from app.sandbox.spoil import bad_cells, bad_order, extra_column, missing_column

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

BAN_PAGE = (
    b"<html><head><title>Error</title></head><body><h1>THE PAGE CANNOT BE ACCESSED</h1>"
    b"<p>FOR SECURITY REASONS, THIS PAGE CAN NOT BE ACCESSED!</p></body></html>"
)
OTHER_PAGE = "<!DOCTYPE html><html><head><title>系統維護中</title></head><body>系統維護中</body></html>".encode()
BLOCK_PATH = "/_blocked"
_JSON = [(b"content-type", b"application/json")]


class Faulty:
    """The application with its faults; every reply, a spoilt one too, says in a header that it is no real one."""

    def __init__(self, app: App, *, book: FaultBook, label: str) -> None:
        self._app = app
        self._book = book
        self._mark = (b"x-quantlab-sandbox", label.encode("ascii", "replace"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, spoilt if a fault waits for it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), self._mark]
            await send(message)

        site = scope["path"].split("/")[1]
        address = f"{scope['path']}?{scope['query_string'].decode('latin-1')}"
        fault = self._book.take(site, address) if site in SITES else None
        if fault is None:
            await self._app(scope, receive, marked)
        elif fault.fault in _ANSWERS:
            status, headers, body = _ANSWERS[fault.fault](fault)
            await _reply(marked, status, headers, body)
        elif fault.fault is Kind.RESET:
            _transport(scope).abort()
        elif fault.fault is Kind.SLOW:
            await asyncio.sleep(fault.seconds)
            await self._app(scope, receive, marked)
        elif fault.fault is Kind.WRONG_DATE:
            token = serve_previous.set(True)
            try:
                await self._app(scope, receive, marked)
            finally:
                serve_previous.reset(token)
        else:
            status, headers, body = await self._body(scope, receive)
            if fault.fault is Kind.TRUNCATED:
                headers.append((b"content-length", str(len(body)).encode()))
                await marked({"type": "http.response.start", "status": status, "headers": headers})
                await marked({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
                _transport(scope).close()
            else:
                await _reply(marked, status, headers, _BODIES[fault.fault](body))

    async def _body(self, scope: Scope, receive: Receive) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        """The application's whole reply: status, headers but for the length, body."""
        start: Message = {}
        chunks: list[bytes] = []

        async def keep(message: Message) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
            else:
                chunks.append(message.get("body", b""))

        await self._app(scope, receive, keep)
        headers = [(name, value) for name, value in start["headers"] if name != b"content-length"]
        return start["status"], headers, b"".join(chunks)


def _html(_: Fault) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    return 200, [(b"content-type", b"text/html; charset=utf-8")], OTHER_PAGE


_ANSWERS: dict[Kind, Callable[[Fault], tuple[int, list[tuple[bytes, bytes]], bytes]]] = {
    Kind.TOO_MANY: lambda fault: (429, [(b"retry-after", f"{fault.seconds:g}".encode())], b"Too Many Requests"),
    Kind.USED_UP: lambda _: (
        402,
        _JSON,
        b'{"msg":"Requests reach the upper limit. https://finmindtrade.com/","status":402}',
    ),
    Kind.BANNED: lambda _: (403, _JSON, b'{"msg":"ip banned","status":403}'),
    Kind.BAN_PAGE: lambda _: (200, [(b"content-type", b"text/html; charset=utf-8")], BAN_PAGE),
    Kind.REDIRECT: lambda _: (307, [(b"location", BLOCK_PATH.encode())], b""),
    Kind.SERVER_ERROR: lambda _: (503, [(b"content-type", b"text/html")], b"<html>Service Unavailable</html>"),
    Kind.HTML: _html,
    Kind.EMPTY: lambda _: (200, [(b"content-type", b"application/json")], b""),
}


async def _reply(send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    headers = [*headers, (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _transport(scope: Scope) -> asyncio.Transport:
    """The connection under a reply: ASGI has no word for cutting it off, so uvicorn's own is reached for."""
    transport: asyncio.Transport = scope["quantlab.send"].__self__.transport
    return transport


_BODIES: dict[Kind, Callable[[bytes], bytes]] = {
    Kind.EXTRA_COLUMN: extra_column,
    Kind.MISSING_COLUMN: missing_column,
    Kind.BAD_CELLS: bad_cells,
    Kind.BAD_ORDER: bad_order,
}
