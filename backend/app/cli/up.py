"""``quantlab up``: the whole platform in the foreground, until Ctrl-C."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer
from loguru import logger

from app.core.config import PROJECT, Settings, default_home, load_settings, read_home
from app.core.tracing import check_tracing
from app.errors import ConfigurationError, QuantLabError
from app.runtime.bring_up import run_platform
from app.runtime.layout import Layout
from app.runtime.merged_log import OURS, MergedLog
from app.runtime.ports import free_port
from app.sandbox.server import site_urls

SANDBOX_SECONDS_PER_REQUEST = "0.02"
"""Our own exchange bans nobody; the quota stays in the path all the same."""


def up(
    source: Annotated[
        str, typer.Option(help="sandbox (synthetic prices, works offline) or exchange (real ones)")
    ] = "sandbox",
    port: Annotated[int | None, typer.Option(help="port of the web page and the API (default: PORT, or 3000)")] = None,
) -> None:
    """Start PostgreSQL, Valkey, worker, beat and web; stop them all at Ctrl-C.

    Examples: `quantlab up`, `quantlab up --source exchange --port 8080`.
    """
    log = MergedLog(sys.stdout)
    logger.remove()
    logger.add(lambda message: log.line(OURS, message.record["message"]), level="INFO", format="{message}")
    try:
        run_platform(_layout(source, port), log)
    except QuantLabError as error:
        log.say(str(error))
        raise typer.Exit(1) from None
    finally:
        log.close()


def _layout(source: str, port: int | None) -> Layout:
    if source not in ("sandbox", "exchange"):
        raise ConfigurationError(f"SOURCE is sandbox or exchange; there is no source named {source}.")
    check_tracing()
    # Of a platform that was killed there may be a running.json; what it says must not be taken for a setting.
    given: dict[str, object] = {"quantlab_source": source, "quantlab_home": read_home()}
    if port is not None:
        given["port"] = port
    settings = load_settings(**given)
    sandbox_port = free_port() if settings.quantlab_source == "sandbox" else None
    return Layout(
        home=settings.quantlab_home,
        source=settings.quantlab_source,
        backend=PROJECT / "backend",
        host=settings.host,
        port=settings.port,
        flower_port=settings.flower_port,
        usual_home=default_home(),
        environment=dict(os.environ),
        database_url=_given(settings, "database_url"),
        redis_url=_given(settings, "redis_url"),
        sandbox_port=sandbox_port,
        site_urls=_sites(sandbox_port),
    )


def _given(settings: Settings, name: str) -> str | None:
    """A server's address that the environment names; None means an embedded one."""
    if name.upper() not in os.environ:
        return None
    address: str = getattr(settings, name).get_secret_value()
    return address


def _sites(sandbox_port: int | None) -> dict[str, str]:
    if sandbox_port is not None:
        paces = ("SOURCE_SECONDS_PER_REQUEST", "FINMIND_SECONDS_PER_REQUEST")
        return {**site_urls(sandbox_port), **dict.fromkeys(paces, SANDBOX_SECONDS_PER_REQUEST)}
    # Not from the settings object: a sandbox that was killed may have left its own addresses in running.json.
    names = ("twse_url", "twse_openapi_url", "tpex_url", "mis_url", "isin_url", "finmind_url")
    return {name.upper(): os.environ.get(name.upper(), str(Settings.model_fields[name].default)) for name in names}
