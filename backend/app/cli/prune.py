"""``quantlab prune``: what is older than its setting says, by kind, and removing it now instead of at 03:00."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from app.cli.changes import change
from app.cli.output import AsJson, console, local, print_json, table
from app.core.retention import keep_of
from app.core.wiring import get_platform
from app.market.sayings import say
from app.services import clean as service
from app.services.prunable import Keep
from app.store.old_rows import Extent


def prune(
    only: Annotated[str | None, typer.Option(help="only these kinds, by commas: runs,log_lines")] = None,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="show what would go, and remove nothing")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="do not ask")] = False,
    as_json: AsJson = False,
) -> None:
    """Remove what is older than its setting says, after showing it: rows, bytes, the oldest and the newest.

    The same is done each night at 03:00. Bars, revisions, corporate actions, figures and the quarantine are never
    pruned, and of the runs neither one that is under way nor the newest success of a task.

    Examples: `quantlab prune --dry-run`, `quantlab prune --only runs,audit --yes`.
    """
    platform = get_platform()
    context, keep = platform.context(), keep_of(platform.settings)
    kinds = service.chosen([name.strip() for name in only.split(",") if name.strip()] if only else [])
    found = {name: kind.look(context, keep) for name, kind in kinds.items()}
    if not as_json:
        _show(found, keep)
    some = {name: extent.rows for name, extent in found.items() if extent.rows}
    if dry_run or not some:
        if as_json:
            print_json({"found": _as_json(found), "removed": {}})
        elif not some:
            typer.echo(say("nothing_old"))
        return
    service.require_right_clock(context)
    if not yes:
        if not sys.stdin.isatty():
            raise typer.BadParameter("nobody can be asked here: say --yes, or --dry-run to only look.")
        typer.confirm(f"Remove {sum(some.values()):,} for good?", abort=True)
    removed = dict.fromkeys(some, 0)
    with (
        change("history.prune", ", ".join(some)) as row,
        Progress(
            *(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()),
            console=Console(stderr=True),
            transient=True,
            disable=as_json or not sys.stderr.isatty(),
        ) as progress,
    ):
        row.after = removed  # so that a failure tells how far it came
        for name, total in some.items():
            bar = progress.add_task(name, total=total)
            for number in kinds[name].remove(context, keep):
                removed[name] += number
                progress.advance(bar, number)
            if not as_json:
                progress.console.print(f"{name}: {removed[name]:,} removed")
    if as_json:
        print_json({"found": _as_json(found), "removed": removed})


def _as_json(found: Mapping[str, Extent]) -> dict[str, dict[str, object]]:
    return {name: {"what": service.KINDS[name].what, **asdict(extent)} for name, extent in found.items()}


def _show(found: Mapping[str, Extent], keep: Keep) -> None:
    made = table("kind", "kept", ">number", ">bytes", "oldest", "newest")
    for name, extent in found.items():
        kind = service.KINDS[name]
        kept = ", ".join(f"{setting.upper()}={getattr(keep, setting) or 'for ever'}" for setting in kind.settings)
        size = "" if extent.bytes is None or not extent.rows else f"{extent.bytes:,}"
        made.add_row(
            name,
            kept or "while of use",
            f"{extent.rows:,}",
            size,
            local(extent.oldest)[:10],
            local(extent.newest)[:10],
        )
    console().print(made)
