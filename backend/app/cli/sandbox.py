"""``quantlab sandbox``: the sandbox exchange alone, and faults in the one that runs."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer

from app.cli.output import AsJson, console, print_json, table
from app.core.config import get_settings
from app.errors import ConfigurationError, InvalidParameter
from app.sandbox.faults import MEANING, SITES, Fault
from app.sandbox.server import DEFAULT_PORT, DEFAULT_SEED, serve

_KINDS = "\n\n".join(f"  {kind:<15} {meaning}" for kind, meaning in MEANING.items())
_WITHIN = 5.0
"""Seconds: it runs on this machine."""

sandbox = typer.Typer(invoke_without_command=True)
fault = typer.Typer(no_args_is_help=True)
sandbox.add_typer(
    fault, name="fault", help="Let the sandbox of the running platform have a bad day, to see what becomes of it."
)


@sandbox.callback()
def serve_alone(
    context: typer.Context,
    port: Annotated[int, typer.Option(help="port to listen on")] = DEFAULT_PORT,
    host: Annotated[str, typer.Option(help="address to listen on")] = "127.0.0.1",
    *,
    seed: Annotated[int, typer.Option(help="seed of the synthetic prices")] = DEFAULT_SEED,
    replay: Annotated[Path | None, typer.Option(help="serve this Parquet panel instead")] = None,
    now: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%dT%H:%M", "%Y-%m-%d"], help="let the clock stand, Taipei time")
    ] = None,
    faults: Annotated[
        list[str] | None,
        typer.Option("--fault", help="start with a fault; `quantlab sandbox fault set --help` lists them; repeatable"),
    ] = None,
) -> None:
    """Serve the sandbox exchange: the exchanges' wire formats, prices that are synthetic or replayed.

    Examples: `quantlab sandbox`, `quantlab sandbox --replay panel.parquet --now 2024-07-01T18:00`,
    `quantlab sandbox --fault twse/MI_INDEX:429:3:10`.
    """
    if context.invoked_subcommand is None:
        serve(host=host, port=port, seed=seed, replay=replay, now=now, faults=faults or ())


@fault.command("list")
def list_faults(*, as_json: AsJson = False) -> None:
    """List the faults that still wait for a request, and how often each has hit.

    Example: `quantlab sandbox fault list`.
    """
    _show(_ask("GET")["faults"], as_json=as_json)


@fault.command(
    "set",
    epilog=f"Faults:\n\n{_KINDS}\n\nSites: {', '.join(SITES)}, or * for all.\n\n"
    "TIMES is 1 when left out, or `always`: until `quantlab sandbox fault clear`.",
)
def set_faults(
    faults: Annotated[
        list[str],
        typer.Argument(
            metavar="FAULT…",
            help="SITE/PATH:FAULT:TIMES:SECONDS, of which SITE:FAULT is enough; PATH: part of the address",
        ),
    ],
    *,
    as_json: AsJson = False,
) -> None:
    """Let the next requests to a site go wrong. What was stored before stays; only what is asked from now on suffers.

    Example: `quantlab sandbox fault set twse/MI_INDEX:bad-order`, then `quantlab sync bars --days 7` and
    `quantlab quarantine list`.
    """
    wanted = [Fault.from_text(text) for text in faults]
    for one in wanted:
        body = {"site": one.site, "fault": one.fault, "path": one.path, "times": one.times, "seconds": one.seconds}
        told = _ask("POST", body)
    _show(told["faults"], as_json=as_json)


@fault.command("clear")
def clear_faults() -> None:
    """End all faults. Example: `quantlab sandbox fault clear`."""
    typer.echo(f"{_ask('DELETE')['removed']} ended.")


def _ask(method: str, body: object = None) -> Any:
    settings = get_settings()
    if settings.quantlab_source != "sandbox":
        raise InvalidParameter(
            "No sandbox runs here: the platform asks the real exchanges, which need no help to fail."
        )
    address = settings.twse_url.removesuffix("/twse")
    try:
        reply = httpx.request(method, f"{address}/_faults", json=body, timeout=_WITHIN)
        reply.raise_for_status()
    except httpx.HTTPError as error:
        raise ConfigurationError(f"The sandbox at {address} does not answer ({error}): `make up` starts it.") from error
    return reply.json()


def _show(faults: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        print_json(faults)
        return
    if not faults:
        typer.echo("No fault is set.")
        return
    made = table("site", "path", "fault", ">times", ">hits")
    for one in faults:
        made.add_row(one["site"], one["path"], one["fault"], str(one["times"] or "always"), str(one["hits"]))
    console().print(made)
