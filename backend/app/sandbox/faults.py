"""Faults on demand: what an exchange's site does on its bad days.

An ASGI wrapper around the whole application: it sees every request before and every body after the pages.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from app.errors import InvalidParameter
from app.sandbox.exchange import serve_previous
from app.sandbox.spoil import bad_cells, extra_column, missing_column

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

SITES = ("twse", "twse-openapi", "tpex", "mis", "isin")
BAN_PAGE = (
    b"<html><head><title>Error</title></head><body><h1>THE PAGE CANNOT BE ACCESSED</h1>"
    b"<p>FOR SECURITY REASONS, THIS PAGE CAN NOT BE ACCESSED!</p></body></html>"
)
OTHER_PAGE = "<!DOCTYPE html><html><head><title>系統維護中</title></head><body>系統維護中</body></html>".encode()
BLOCK_PATH = "/_blocked"


class Kind(StrEnum):
    """What goes wrong."""

    TOO_MANY = "429"
    BAN_PAGE = "ban-page"
    REDIRECT = "307"
    SERVER_ERROR = "5xx"
    HTML = "html"
    EMPTY = "empty"
    TRUNCATED = "truncated"
    RESET = "reset"
    SLOW = "slow"
    WRONG_DATE = "wrong-date"
    EXTRA_COLUMN = "extra-column"
    MISSING_COLUMN = "missing-column"
    BAD_CELLS = "bad-cells"


@dataclass(slots=True)
class Fault:
    """One fault and the requests that it hits: those of *site* whose address holds *path*, *times* times.

    ``times`` None is until removed. ``seconds`` is the delay of ``slow`` and the Retry-After of ``429``.
    """

    site: str
    fault: Kind
    path: str = ""
    times: int | None = 1
    seconds: float = 2.0
    hits: int = 0

    @classmethod
    def from_json(cls, value: object) -> Fault:
        """A fault from the control path's body. Raises InvalidParameter with the reason."""
        if not isinstance(value, dict) or set(value) - {"site", "path", "fault", "times", "seconds"}:
            raise InvalidParameter("A fault is an object of site, fault, and if wished path, times and seconds.")
        site, kind = value.get("site"), value.get("fault")
        if site not in (*SITES, "*"):
            raise InvalidParameter(f"{site!r} is no site; there are {', '.join(SITES)} and * for all.")
        if kind not in set(Kind):
            raise InvalidParameter(f"{kind!r} is no fault; there are {', '.join(Kind)}.")
        times, seconds = value.get("times", 1), value.get("seconds", 2.0)
        if times is not None and (not isinstance(times, int) or times < 1):
            raise InvalidParameter(f"times is {times!r}; it has to be a number from 1, or null for always.")
        if not isinstance(seconds, int | float) or seconds < 0:
            raise InvalidParameter(f"seconds is {seconds!r}; it has to be a number from 0.")
        return cls(site, Kind(kind), path=str(value.get("path", "")), times=times, seconds=float(seconds))

    @classmethod
    def from_text(cls, text: str) -> Fault:
        """``SITE[/PATH]:FAULT[:TIMES[:SECONDS]]``, times ``always`` for ever: ``twse/MI_INDEX:429:3``."""
        where, *parts = text.split(":")
        site, _, path = where.partition("/")
        try:
            times = None if parts[1:2] == ["always"] else int(parts[1]) if len(parts) > 1 else 1
            seconds = float(parts[2]) if len(parts) > 2 else 2.0
        except ValueError:
            raise InvalidParameter(f"{text!r} is no fault: write SITE[/PATH]:FAULT[:TIMES[:SECONDS]].") from None
        kind = parts[0] if parts else None
        return cls.from_json({"site": site, "path": path, "fault": kind, "times": times, "seconds": seconds})


class FaultBook:
    """The faults in force; safe to change while requests are served."""

    def __init__(self, faults: tuple[Fault, ...] = ()) -> None:
        self._faults = list(faults)
        self._lock = threading.Lock()

    def add(self, fault: Fault) -> None:
        """Put *fault* in force after those that are there."""
        with self._lock:
            self._faults.append(fault)

    def clear(self) -> int:
        """End all; says how many there were."""
        with self._lock:
            count = len(self._faults)
            self._faults.clear()
        return count

    def listing(self) -> list[dict[str, Any]]:
        """The faults in force and how often each has hit."""
        with self._lock:
            return [asdict(fault) for fault in self._faults]

    def take(self, site: str, address: str) -> Fault | None:
        """The first fault for this request, used once."""
        with self._lock:
            for fault in self._faults:
                if fault.site not in (site, "*") or fault.path not in address:
                    continue
                fault.hits += 1
                if fault.times is not None and fault.hits >= fault.times:
                    self._faults.remove(fault)
                return fault
        return None


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
}
