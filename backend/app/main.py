"""The web application: the API, its documentation and the first page. ``python -m app.main`` serves it."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import uvicorn
from fastapi import FastAPI
from fastapi.responses import RedirectResponse
from loguru import logger
from starlette.types import ASGIApp, Scope

from app import admin, api
from app.api.access import Reader
from app.api.errors import answer_errors
from app.api.guard import Guard
from app.api.heads import HeadAsGet
from app.api.known_parameters import KnownParameters
from app.api.live import make_feed
from app.api.patience import PatientForAWhile
from app.core.config import Settings, get_settings
from app.core.logging import configure_logging
from app.core.tracing import start_tracing
from app.core.version import VERSION
from app.core.watching import watched_web

_DESCRIPTION = """\
Taiwan market data: securities, daily bars and quotes of TWSE and TPEx, and the Celery runs that keep them.

Prices are exact decimal text in TWD, volume in shares, instants in ISO 8601 with their zone. `null` is absent, never
zero. What changes state needs a login, or a token (`quantlab token` prints the admin token); a viewer may only read.
Every error is `{"error": type, "message": sentence}`.
"""
_SYNTHETIC = "\n**These prices are NOT real**: they come from the sandbox exchange ({prices}).\n"


class Web(FastAPI):
    """FastAPI with the guard around all of it; ``add_middleware`` would put it inside of what answers a bug."""

    def build_middleware_stack(self) -> ASGIApp:
        """As Starlette builds it, guarded."""
        return Guard(HeadAsGet(super().build_middleware_stack()), names=self.state.names, prices=self.state.prices)


def _is_unseen(scope: Scope) -> bool:
    """Whether a request is left out of traces: what asks all the time, and a connection that stays open for hours."""
    path: str = scope["path"]
    return scope["type"] == "websocket" or path.startswith(("/health", "/metrics", "/admin"))


def create_app(settings: Settings) -> Web:
    """The application for these settings."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        configure_logging(settings.log_level, folder=settings.log_folder, program="web")
        if settings.prices != "real":
            logger.warning("Prices are {}: the sandbox made them, they are not the market's", settings.prices)
        async with watched_web(settings):
            yield

    tracing = start_tracing("web")
    notice = "" if settings.prices == "real" else _SYNTHETIC.format(prices=settings.prices)
    web = Web(
        title="QuantLab",
        version=VERSION,
        description=_DESCRIPTION + notice,
        docs_url=None,  # FastAPI's own page loads its script from a CDN
        redoc_url=None,
        lifespan=lifespan,
        dependencies=[KnownParameters],
        # FastAPI would send by itself, and metrics and logs as well, where its variables ask for it.
        telemetry={
            "tracing": tracing is not None,
            "tracer_provider": tracing.provider if tracing else None,
            "metrics": False,
            "logs": False,
            "operation_spans": False,
            "auto_configure": False,
            "exclude": _is_unseen,
        },
        license_info={"name": "MIT"},
    )
    web.state.names = [*settings.quantlab_hosts.split(","), settings.host]
    web.state.prices = settings.prices
    web.state.live = make_feed()
    answer_errors(web)
    for router in (*api.OPEN, *admin.ROUTERS):
        web.include_router(router)
    for router in api.ROUTERS:
        web.include_router(router, dependencies=[Reader] if settings.login_to_read else [])

    @web.get("/", include_in_schema=False)
    def start() -> RedirectResponse:
        return RedirectResponse("/admin")

    return web


def server(web: FastAPI, settings: Settings) -> uvicorn.Server:
    """What serves it, with every option in one place, however the platform is run.

    uvicorn alone believes what anybody on this machine says of the address that he comes from.
    """
    return uvicorn.Server(
        uvicorn.Config(
            web,
            host=settings.host,
            port=settings.port,
            http=PatientForAWhile,
            access_log=False,
            proxy_headers=bool(settings.quantlab_proxies),
            forwarded_allow_ips=settings.quantlab_proxies,
            ws_max_size=65_536,
            timeout_graceful_shutdown=5,
        )
    )


app = create_app(get_settings())

if __name__ == "__main__":
    serving = server(app, get_settings())
    with suppress(KeyboardInterrupt):
        serving.run()
    if not serving.started:
        sys.exit(1)  # uvicorn has said why
