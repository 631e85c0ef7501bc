"""``quantlab runs``: the ledger, as a list or one run whole."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from app.cli.changes import change
from app.cli.output import AsJson, coloured, console, in_words, local, print_json, print_source, table, took
from app.core.wiring import get_platform
from app.services.identity import local_user
from app.store import runs as store
from app.store import units
from app.store.engine import transaction
from app.store.runs import Run

# `core.queue` and `core.retrying` bring Celery, for which who only looks at the ledger does not wait.
if TYPE_CHECKING:
    from app.core.retrying import Remainder

_SHOWN = 20

State = Literal["QUEUED", "STARTED", "RETRY", "SUCCESS", "PARTIAL", "FAILED", "SKIPPED", "CANCELLED", "LOST"]

runs = typer.Typer(
    help="The run ledger: what ran, what it wrote, why it failed. `runs show ID` tells all of one.",
    invoke_without_command=True,
    epilog="Examples: `quantlab runs --state FAILED`, `quantlab runs --symbol 2330 --who ann`, "
    "`quantlab runs --order longest --limit 5`, `quantlab runs show 5e0c17`",
)


@runs.callback()
def list_runs(
    context: typer.Context,
    task: Annotated[str | None, typer.Option(help="only of this task, sync_daily_prices for instance")] = None,
    state: Annotated[State | None, typer.Option(case_sensitive=False, help="only in this state")] = None,
    *,
    symbol: Annotated[
        str | None, typer.Option(help="only those that were to do this security, by name or unit")
    ] = None,
    who: Annotated[str | None, typer.Option(help="only those that this user or token asked for")] = None,
    order: Annotated[store.Order, typer.Option(help="by the wish to run, or by how long it took")] = "newest",
    limit: Annotated[int, typer.Option(min=1, max=1000, help="how many")] = 20,
    as_json: AsJson = False,
) -> None:
    """List runs, newest first."""
    if context.invoked_subcommand is not None:
        return
    name = _full_name(task) if task else None
    with transaction(get_platform().engine) as connection:
        found = store.list_runs(connection, order=order, limit=limit, task=name, state=state, symbol=symbol, who=who)
    if as_json:
        print_json([asdict(run) for run in found])
        return
    print_source()
    if not found:
        typer.echo("No such run. Start one: quantlab sync securities")
        return
    console().print(runs_table(found))


def _full_name(task: str) -> str:
    from app.core import queue  # noqa: PLC0415

    return queue.full_name(task)


@runs.command("cancel")
def cancel_run(
    run_id: Annotated[str, typer.Argument(metavar="ID", help="the run's id, or its beginning")],
    *,
    at_once: Annotated[bool, typer.Option("--now", help="kill its process instead of waiting for a pause")] = False,
) -> None:
    """Take a run back: at once while it waits, between two of its units while it works.

    Example: `quantlab runs cancel 5e0c17`.
    """
    from app.core import queue  # noqa: PLC0415

    with transaction(get_platform().engine) as connection:
        found = store.find(connection, run_id)
    with change("run.cancel", found.id) as row:
        run = queue.cancel_run(found.id, by=local_user(), at_once=at_once)
        row.after = {"task": run.task, "state": run.state, "at_once": at_once}
    if run.is_final:
        typer.echo(f"{run.id} is {run.state}.")
    elif at_once:
        typer.echo(f"{run.id} is being ended; what is stored stays.")
    else:
        typer.echo(f"{run.id} ends after the unit that it has in hand; what is stored stays.")


@runs.command("retry")
def retry_run(
    run_id: Annotated[str, typer.Argument(metavar="ID", help="the run's id, or its beginning")],
    *,
    plan: Annotated[bool, typer.Option("--plan", help="say what it would do, and do nothing")] = False,
    whole: Annotated[bool, typer.Option("--all", help="all of it again, what succeeded included")] = False,
) -> None:
    """Do over what did not succeed in a run that has ended: the same task and days, without the units that succeeded.

    Examples: `quantlab runs retry 5e0c17 --plan`, `quantlab runs retry 5e0c17`, `quantlab runs retry 5e0c17 --all`.
    """
    from app.core import retrying  # noqa: PLC0415

    with transaction(get_platform().engine) as connection:
        found = store.find(connection, run_id)
    if whole:
        typer.echo(f"{found.task} with {json.dumps(dict(found.parameters), ensure_ascii=False)}, all of it.")
    else:
        _tell_what_is_left(retrying.remainder_of(found.id))
    if plan:
        return
    with change("run.retry", found.id) as row:
        started = retrying.retry_whole(found.id) if whole else retrying.retry_remainder(found.id)
        row.after = {"run": started.id, "new": started.new}
    typer.echo(f"{started.id} {'is queued' if started.new else 'is under way already'}.")


def _tell_what_is_left(left: Remainder) -> None:
    typer.echo(
        f"{left.succeeded} units succeeded and are left out; {len(left.units)} did not, about a request each"
        f"{', and what was not begun' if left.not_begun else ''}:"
    )
    for unit in left.units[:_SHOWN]:
        typer.echo(f"  {unit.state:<8} {unit.dataset} {unit.venue} {unit.scope}  {unit.error or unit.reason or ''}")
    if len(left.units) > _SHOWN:
        typer.echo(f"  … and {len(left.units) - _SHOWN} more")


@runs.command("show")
def show_run(
    run_id: Annotated[str, typer.Argument(metavar="ID", help="the run's id, or its beginning")],
    *,
    as_json: AsJson = False,
) -> None:
    """All about one run: parameters, counts, units, error and traceback.

    Example: `quantlab runs show 5e0c17`.
    """
    with transaction(get_platform().engine) as connection:
        found = store.find(connection, run_id)
        pieces = units.of_run(connection, found.id)
    if as_json:
        print_json({**asdict(found), "units": [asdict(piece) for piece in pieces]})
        return
    out = console()
    facts = Table(box=None, show_header=False, pad_edge=False)
    for word, value in _facts(found):
        facts.add_row(Text(word, style="dim"), value)
    out.print(facts)
    if pieces:
        made = table("unit", "state", "rows", "reason or error")
        for piece in pieces:
            name = f"{piece.dataset} {piece.venue} {piece.scope}"
            made.add_row(name, coloured(piece.state), in_words(piece.counts), Text(piece.error or piece.reason or ""))
        out.print()
        out.print(made)
    if found.traceback:
        out.print()
        out.print(found.traceback, style="dim", markup=False)


def runs_table(found: list[Run], *, title: str | None = None) -> RenderableType:
    """Fits 80 columns; the sentences stand below, for they need room."""
    made = table("state", "task", "queued", ">took", ">stored", ">unchanged", "id", title=title)
    sentences: list[RenderableType] = []
    for run in found:
        numbers = ["" if one is None else f"{one:,}" for one in (run.counts.stored, run.counts.unchanged)]
        short = run.task.removeprefix("app.tasks.")
        queued = local(run.queued_at)[5:]
        made.add_row(coloured(run.state), short, queued, took(run.started_at, run.finished_at), *numbers, run.id[:8])
        sentence = run.error or run.reason or ""
        if run.late:
            sentence = f"Late by {took(run.due_at, run.queued_at)}. {sentence}".strip()
        if sentence:
            sentences.append(Text(f"{run.id[:8]}  {sentence}", "dim"))
    return Group(made, *([Text(), *sentences] if sentences else []))


def _facts(run: Run) -> list[tuple[str, Any]]:
    facts: list[tuple[str, Any]] = [
        ("id", run.id),
        ("task", run.task),
        ("state", coloured(run.state)),
        ("parameters", Text(str(dict(run.parameters)))),
        ("trigger", run.trigger),
        ("schedule", f"{run.schedule}, due {local(run.due_at)}" if run.schedule else ""),
        ("late", f"by {took(run.due_at, run.queued_at)}" if run.late else ""),
        ("queued", local(run.queued_at)),
        ("started", local(run.started_at)),
        ("finished", local(run.finished_at)),
        ("took", took(run.started_at, run.finished_at)),
        ("worker", run.worker or ""),
        ("attempts", f"{run.attempts}" + (f", {run.losses} lost with their worker" if run.losses else "")),
        ("next try", local(run.run_after) if run.state == "RETRY" else ""),
        ("cancelled by", run.cancel_by or ""),
        ("paused by", "" if run.is_final else run.paused_by or ""),
        ("does over", run.retry_of or ""),
        ("rows", in_words(run.counts)),
        ("reason", Text(run.reason or "")),
        ("error", Text(f"{run.error_type}: {run.error}" if run.error else "")),
    ]
    return [(word, value) for word, value in facts if str(value)]
