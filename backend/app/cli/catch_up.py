"""``quantlab catch-up``: what is missing and what it would cost; fetch it, pause that, resume it."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.text import Text

from app.cli.changes import change, start_task
from app.cli.data import follow
from app.cli.output import AsJson, console, lasting, local, print_json, print_source, table
from app.core import catching_up
from app.core.catching_up import Standing
from app.core.wiring import get_platform
from app.services.catch_up import Step
from app.services.identity import local_user

catch_up = typer.Typer(
    help="Sessions that should be held and are not: what it costs to fetch them, and doing it.", no_args_is_help=True
)

_Days = Annotated[int | None, typer.Option(min=1, max=366, help="calendar days to look back (default: CATCH_UP_DAYS)")]
_FEW = 3


@catch_up.command("plan")
def show_plan(days: _Days = None, *, as_json: AsJson = False) -> None:
    """What the next run would ask for, newest first, in requests and minutes. Nobody is asked for anything.

    Example: `quantlab catch-up plan --days 30`.
    """
    standing = catching_up.look(get_platform(), days=days)
    if as_json:
        print_json(standing.as_json())
        return
    print_source()
    plan = standing.plan
    if plan.steps:
        made = table("dataset", "venue", ">sessions", "which", ">requests", ">takes")
        for step in plan.steps:
            venue = "all" if step.venue is None else step.venue.value
            takes = lasting(step.seconds)
            made.add_row(step.dataset, venue, str(len(step.sessions)), _which(step), str(step.requests), takes)
        console().print(made)
    for sentence in _sentences(standing):
        console().print(Text(sentence))


@catch_up.command("run")
def run_now(
    days: _Days = None,
    *,
    timeout: Annotated[float, typer.Option(help="seconds to watch it at most; it goes on without us")] = 7200,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="watch it, or only queue it and print its id")] = True,
    as_json: AsJson = False,
) -> None:
    """Fetch what is missing now, below fresh data, and watch it. Works while paused, too.

    Example: `quantlab catch-up run --days 60 --no-wait`.
    """
    started = start_task(catching_up.TASK, {} if days is None else {"days": days})
    follow(started, catching_up.TASK, wait=wait, timeout=timeout, as_json=as_json)


@catch_up.command("pause")
def pause() -> None:
    """Let nothing be caught up by itself; a run under way ends after the session in hand, which stays.

    Example: `quantlab catch-up pause`.
    """
    with change("catch-up.pause", catching_up.SCHEDULE) as row:
        cancelled = catching_up.pause(get_platform(), by=local_user())
        row.after = {"cancelled": cancelled}
    for run_id in cancelled:
        typer.echo(f"The run {run_id} is cancelled.")
    typer.echo("Paused: nothing is caught up by itself until `quantlab catch-up resume`.")


@catch_up.command("resume")
def resume() -> None:
    """Let it look each hour again.

    Example: `quantlab catch-up resume`.
    """
    with change("catch-up.resume", catching_up.SCHEDULE):
        catching_up.resume(by=local_user())
    standing = catching_up.look(get_platform())
    typer.echo(f"Resumed: it looks next at {local(standing.next_at)}. At once: quantlab catch-up run")


def _which(step: Step) -> str:
    days = [str(day) for day in step.sessions]
    return " ".join(days) if len(days) <= _FEW else f"{days[-1]} … {days[0]}"


def _sentences(standing: Standing) -> list[str]:
    plan = standing.plan
    sentences = []
    if plan.steps:
        requests = sum(plan.requests.values())
        takes = lasting(plan.seconds)
        takes = f"about {takes} at the pace of the last ones" if plan.measured else f"{takes} at the least"
        sentences.append(
            f"{len(plan.cells)} sessions of a venue and dataset since {plan.first} are missing: {requests} requests, "
            f"{takes}."
        )
    elif not plan.waiting:
        sentences.append(f"Nothing since {plan.first} is missing.")
    if plan.later:
        sentences.append(f"{len(plan.later)} more are left for the next run: a site gets CATCH_UP_REQUESTS in one.")
    if plan.waiting:
        first = min(plan.waiting.values())
        sentences.append(
            f"{len(plan.waiting)} were tried lately without a change and wait, the first until {local(first)}."
        )
    if standing.run is not None:
        sentences.append(f"The run {standing.run.id} is {standing.run.state}: quantlab runs show {standing.run.id[:8]}")
    if standing.paused:
        sentences.append(f"Paused by {standing.paused_by} at {local(standing.paused_at)}: quantlab catch-up resume")
    else:
        sentences.append(f"It looks next at {local(standing.next_at)} by itself. At once: quantlab catch-up run")
    return sentences
