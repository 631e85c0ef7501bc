"""What holds for every request: only known host names, headers that keep browsers in check, and whose prices."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.errors import OwnCode, reply

_HOST = re.compile(r"(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+))(?::\d+)?")
LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
LONGEST_BODY = 1_000_000
"""Bytes; the largest meant request, 5,000 symbols, has 45,000."""
_TOO_LARGE = f"A body may have {LONGEST_BODY:,} bytes at most."
BODY_WITHIN = 30.0
"""Seconds for a body to come whole."""
_THEN_CLOSE = {"Connection": "close"}
"""With what is said before a body is over: the rest of it is not read."""

CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": CONTENT_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Guard:
    """Around the whole application, what answers its bugs included: no reply goes out that it has not seen.

    No CORS header is ever sent: pages of other origins read nothing here.
    The check of names stops DNS rebinding: a page of evil.example whose name suddenly means 127.0.0.1.
    """

    def __init__(self, app: ASGIApp, *, names: Iterable[str] = (), prices: str) -> None:
        self._app = app
        self._names = LOOPBACK_NAMES | {name.strip().lower() for name in names if name.strip()}
        self._headers = HEADERS | ({} if prices == "real" else {"X-QuantLab-Prices": prices})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer what must not pass; give everything else its headers."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if scope["type"] == "websocket":
            if self._refusal(headers) is None:
                await self._app(scope, receive, send)
            else:
                await send({"type": "websocket.close"})  # not accepted: the server answers 403
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                sent = MutableHeaders(raw=message["headers"])
                for name, value in self._headers.items():
                    sent.setdefault(name, value)
                message["headers"] = sent.raw
            await send(message)

        refusal = self._refusal(headers)
        if refusal is None:
            await self._app(scope, _bounded(receive), with_headers)
        else:
            status, error, message = refusal
            headers_too = _THEN_CLOSE if status == 413 else None
            await reply(status, error, message, headers=headers_too)(scope, receive, with_headers)

    def _refusal(self, headers: Headers) -> tuple[int, OwnCode, str] | None:
        name = host_name(headers.get("host", ""))
        if name not in self._names:
            return 400, "UnknownHost", f"This server does not answer to the name {name!r}; QUANTLAB_HOSTS adds names."
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > LONGEST_BODY:
            return 413, "TooLarge", _TOO_LARGE
        return None


def _bounded(receive: Receive) -> Receive:
    """Counts what really comes, for a body in chunks announces no length, and waits for it no longer than is meant.

    Whoever reads on gets a 413, or a 408, for an answer.
    """
    taken, until, more = 0, asyncio.get_running_loop().time() + BODY_WITHIN, True

    async def bounded() -> Message:
        nonlocal taken, more
        try:
            async with asyncio.timeout_at(until if more else None):
                message = await receive()
        except TimeoutError:
            raise HTTPException(408, f"A body must come within {BODY_WITHIN:g} s.", _THEN_CLOSE) from None
        more = more and message.get("more_body", False)
        taken += len(message.get("body", b""))
        if taken > LONGEST_BODY:
            raise HTTPException(413, _TOO_LARGE, _THEN_CLOSE)
        return message

    return bounded


def host_name(host: str) -> str:
    """The name in a Host header, without its port: ``[::1]:3000`` is ``::1``. Empty for what is no Host header."""
    match = _HOST.fullmatch(host.strip().lower())
    return (match[1] or match[2]) if match else ""
