"""The sandbox exchange as an application and as a server."""

from __future__ import annotations

import errno
import json
import socket
from collections import Counter, deque
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import uvicorn
from loguru import logger
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from app.errors import ConfigurationError, InvalidParameter
from app.sandbox.exchange import TAIPEI, Clock, Exchange, wall_clock
from app.sandbox.faults import SITES, Fault, FaultBook
from app.sandbox.faulty import BAN_PAGE, BLOCK_PATH, App, Faulty, Message, Receive, Scope, Send
from app.sandbox.pages import Pages
from app.sandbox.replay import ReplayedPrices
from app.sandbox.rows import PriceSource
from app.sandbox.synthetic import SyntheticPrices

DEFAULT_SEED = 2330
DEFAULT_PORT = 8900


class RequestLog:
    """Who was asked what: counts for ever, the requests themselves for the last 10,000."""

    def __init__(self, app: App) -> None:
        self._app = app
        self.counts: Counter[tuple[str, str]] = Counter()
        self.last: deque[dict[str, Any]] = deque(maxlen=10_000)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Note the request to a site, then pass it on."""
        site = scope["path"].split("/")[1] if scope["type"] == "http" else ""
        if site not in SITES:
            await self._app(scope, receive, send)
            return
        path = scope["path"].removeprefix(f"/{site}")
        entry: dict[str, Any] = {"at": datetime.now(UTC).isoformat(), "site": site, "path": path}
        entry |= {"query": scope["query_string"].decode("latin-1"), "status": None}
        self.counts[site, path] += 1
        self.last.append(entry)

        async def noted(message: Message) -> None:
            if message["type"] == "http.response.start":
                entry["status"] = message["status"]
            await send(message)

        # Faults cut connections off below the server's own send, so that one has to stay within reach.
        scope["quantlab.send"] = send
        await self._app(scope, receive, noted)

    def summary(self) -> dict[str, Any]:
        """Counts by site and path, and the last requests, oldest first."""
        sites: dict[str, dict[str, int]] = {}
        for (site, path), count in sorted(self.counts.items()):
            sites.setdefault(site, {})[path] = count
        return {"total": sum(self.counts.values()), "counts": sites, "requests": list(self.last)}

    def clear(self) -> None:
        """Forget all."""
        self.counts.clear()
        self.last.clear()


def create_app(source: PriceSource, *, clock: Clock = wall_clock, faults: Sequence[Fault] = ()) -> App:
    """The sites, one prefix each (see ``site_urls``), and the controls ``/_health /_faults /_requests``."""
    exchange = Exchange(source, clock=clock)
    book = FaultBook(tuple(faults))

    async def health(_: Request) -> Response:
        kind, panel = (*source.label.split(":", 1), None)[:2]
        latest = exchange.latest()
        state: dict[str, Any] = {
            "source": "sandbox",
            "prices": kind,
            "file": panel,
            "now": exchange.now().isoformat(),
        }
        state |= {"latest_session": latest.isoformat() if latest else None, "sites": list(SITES)}
        return JSONResponse(state)

    async def control_faults(request: Request) -> Response:
        if request.method == "DELETE":
            return JSONResponse({"removed": book.clear()})
        if request.method == "POST":
            try:
                book.add(Fault.from_json(json.loads(await request.body() or b"null")))
            except (InvalidParameter, json.JSONDecodeError) as error:
                return JSONResponse({"error": str(error)}, status_code=422)
        return JSONResponse({"faults": book.listing()})

    async def control_requests(request: Request) -> Response:
        if request.method == "DELETE":
            log.clear()
        return JSONResponse(log.summary())

    async def blocked(_: Request) -> Response:
        return Response(BAN_PAGE, media_type="text/html")

    inner = Starlette(
        routes=[
            *Pages(exchange).routes(),
            Route("/_health", health),
            Route("/_faults", control_faults, methods=["GET", "POST", "DELETE"]),
            Route("/_requests", control_requests, methods=["GET", "DELETE"]),
            Route(BLOCK_PATH, blocked),
        ]
    )
    log = RequestLog(Faulty(inner, book=book, label=source.label))
    return log


def fixed_clock(now: datetime) -> Clock:
    """A clock that stands at *now*, Taipei time where it names no zone."""
    at = now if now.tzinfo else now.replace(tzinfo=TAIPEI)
    return lambda: at


def open_source(*, seed: int = DEFAULT_SEED, replay: Path | None = None) -> PriceSource:
    """Synthetic prices from *seed*, or those of the panel *replay*. Raises ConfigurationError for a bad file."""
    return SyntheticPrices(seed=seed) if replay is None else ReplayedPrices(replay)


def site_urls(port: int, *, host: str = "127.0.0.1") -> dict[str, str]:
    """The base address of each site, under the name of its setting."""
    base = f"http://{host}:{port}"
    return {
        "TWSE_URL": f"{base}/twse",
        "TWSE_OPENAPI_URL": f"{base}/twse-openapi",
        "TPEX_URL": f"{base}/tpex",
        "MIS_URL": f"{base}/mis",
        "ISIN_URL": f"{base}/isin",
        "FINMIND_URL": f"{base}/finmind",
    }


def serve(
    *,
    host: str = "127.0.0.1",
    port: int = DEFAULT_PORT,
    seed: int = DEFAULT_SEED,
    replay: Path | None = None,
    now: datetime | None = None,
    faults: Sequence[str] = (),
) -> None:
    """Serve until interrupted. Raises ConfigurationError where the port or the panel cannot be used."""
    source = open_source(seed=seed, replay=replay)
    clock = wall_clock if now is None else fixed_clock(now)
    app = create_app(source, clock=clock, faults=[Fault.from_text(text) for text in faults])
    config = uvicorn.Config(app, log_level="warning", access_log=False, lifespan="off")
    with _listener(host, port) as listener:
        actual = listener.getsockname()[1]
        logger.info("Sandbox exchange ({}, not real prices) on http://{}:{}", source.label, host, actual)
        uvicorn.Server(config).run(sockets=[listener])


def _listener(host: str, port: int) -> socket.socket:
    """A bound socket, so that a port that cannot be had is told before anything starts. Port 0 is any free one."""
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except (OSError, OverflowError) as error:
        taken = getattr(error, "errno", None) == errno.EADDRINUSE
        reason = "is taken: choose another with --port" if taken else f"cannot be listened on ({error})"
        raise ConfigurationError(f"Port {port} on {host} {reason}.") from error
