"""``quantlab workers``: those that live, and what an operator tells them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from typing import Annotated

import typer

from app.cli.changes import change
from app.cli.output import AsJson, coloured, console, print_json, table
from app.core import workers as control
from app.core.wiring import get_platform
from app.errors import InvalidParameter
from app.ops.liveness import tell
from app.services.identity import local_user
from app.store import heartbeats
from app.store.engine import transaction

workers = typer.Typer(
    help="Workers: which live, and what they are told while they run.",
    invoke_without_command=True,
    epilog="Examples: `quantlab workers`, `quantlab workers resize celery@host 4`",
)

_Name = Annotated[str, typer.Argument(metavar="NAME", help="as the list names it, celery@host for instance")]


@workers.callback()
def list_workers(context: typer.Context, *, as_json: AsJson = False) -> None:
    """List the workers by their heartbeats."""
    if context.invoked_subcommand is not None:
        return
    with transaction(get_platform().engine) as connection:
        seen = heartbeats.look(connection)
    found = [one for one in seen.programs if one.kind == "worker"]
    if as_json:
        print_json([{**asdict(one), "state": tell(one, seen)} for one in found])
        return
    if not found:
        typer.echo("No worker has a heartbeat. Start one: `make up`")
        return
    made = table("worker", "is", ">busy", ">memory", "pool", "takes from")
    for one in found:
        facts = one.facts
        memory = f"{facts['memory'] / 2**20:,.0f} MB" if facts.get("memory") else ""
        queues = "nothing: draining" if facts.get("draining") else ", ".join(facts.get("queues") or ())
        busy = f"{facts.get('busy', '')} of {facts.get('slots', '')}"
        made.add_row(one.name, coloured(tell(one, seen)), busy, memory, str(facts.get("pool", "")), queues)
    console().print(made)


@workers.command("drain")
def drain(name: _Name) -> None:
    """Let it take nothing more; what it has in hand it finishes. `resume`, or a restart, ends that.

    Example: `quantlab workers drain celery@host`.
    """
    _tell(name, "worker.drain", lambda: control.drain(name))


@workers.command("resume")
def resume(name: _Name) -> None:
    """Let it take again from the queues that it left.

    Example: `quantlab workers resume celery@host`.
    """
    _tell(name, "worker.resume", lambda: control.resume(name))


@workers.command("resize")
def resize(
    name: _Name, slots: Annotated[int, typer.Argument(min=1, max=control.MOST_SLOTS, help="tasks at once")]
) -> None:
    """Give it so many slots, until it restarts; no process that works is taken from it.

    Example: `quantlab workers resize celery@host 4`.
    """
    _tell(name, "worker.resize", lambda: control.resize(name, slots))


@workers.command("restart")
def restart(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="as the list names it; or --all")] = None,
    *,
    every: Annotated[
        bool, typer.Option("--all", help="all that live, one at a time; waits until each is back")
    ] = False,
    within: Annotated[
        float, typer.Option("--within", min=1, help="with --all: seconds that each may take to be back")
    ] = control.BACK_WITHIN,
) -> None:
    """Let it end when its tasks have; its supervisor starts it again, with the newest code. Nothing is lost.

    `quantlab up`, Docker and systemd are supervisors; a worker that was started in a terminal ends, and no more.

    With --all one worker after the other, so that the rest go on with what waits; it stops at one that does not come
    back. While somebody does so, another --all is refused, and told who it is.

    Examples: `quantlab workers restart celery@host`, `quantlab workers restart --all`.
    """
    if (name is None) != every:
        raise InvalidParameter("Name one worker, or say --all: `quantlab workers` lists them.")
    if name is not None:
        _tell_to_restart(name)
        return

    def tell_and_wait(one: str) -> None:
        _tell_to_restart(one)
        typer.echo(f"Waiting until it is back, {within:g} s at most …")

    with control.sole_restart_of_all(local_user()) as hold:
        for back in control.restart_each(control.some_living(), hold, tell_and_wait, within=within):
            typer.echo(f"{back.name} is back (pid {back.pid}).")


def _tell_to_restart(name: str) -> None:
    _tell(name, "worker.restart", partial(control.restart, name))


def _tell(name: str, action: str, command: Callable[[], str]) -> None:
    with change(action, name) as row:
        said = command()
        row.after = {"said": said}
    typer.echo(f"{name} {said}.")
