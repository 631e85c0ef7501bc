"""The client of the exchanges' sites, from the settings: its addresses, and the quota and breakers that all share."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import redis

from app.cache.breaker import SharedBreaker
from app.cache.quota import SharedQuota
from app.core.config import Settings
from app.files import Files
from app.sources.archive import Archive
from app.sources.base import Site
from app.sources.http import Client


def client_of(
    settings: Settings, server: redis.Redis, *, breaker: SharedBreaker, archive: Files, clock: Callable[[], datetime]
) -> Client:
    """A client whose quota is kept on *server*, and what it gets in *archive*."""
    return Client(
        base_urls={
            Site.TWSE: settings.twse_url,
            Site.TWSE_OPENAPI: settings.twse_openapi_url,
            Site.TPEX: settings.tpex_url,
            Site.MIS: settings.mis_url,
            Site.ISIN: settings.isin_url,
            Site.FINMIND: settings.finmind_url,
        },
        quota=SharedQuota(
            server,
            seconds=settings.source_seconds_per_request,
            paces={Site.FINMIND: settings.finmind_pace},
        ),
        breaker=breaker,
        archive=Archive(archive),
        tokens={Site.FINMIND: token.get_secret_value()} if (token := settings.finmind_token) else {},
        connect_timeout=settings.source_connect_timeout,
        read_timeout=settings.source_read_timeout,
        clock=clock,
    )
