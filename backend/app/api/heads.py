"""HEAD where probes ask: is it there, without its body. FastAPI's routes know GET alone and answer 405."""

from __future__ import annotations

import re

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_PROBED = re.compile(r"/|/health(/live)?|/metrics|/admin(/.*)?|/openapi\.json")
"""Not the rest of the API: whoever asks it for a head would have it make an answer, or open a download, for nothing."""


class HeadAsGet:
    """Answers HEAD as GET would be, less the body."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on whatever else it is."""
        if scope["type"] != "http" or scope["method"] != "HEAD" or not _PROBED.fullmatch(scope["path"]):
            await self._app(scope, receive, send)
            return

        async def bodiless(message: Message) -> None:
            await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

        await self._app({**scope, "method": "GET"}, receive, bodiless)
