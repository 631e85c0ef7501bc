"""``quantlab export``: files for research."""

from __future__ import annotations

from typing import Annotated

import typer

from app.cli.data import follow
from app.cli.output import AsJson
from app.core import queue

export = typer.Typer(help="Files for research, and what was exported.", no_args_is_help=True)

_Wait = Annotated[bool, typer.Option("--wait/--no-wait", help="watch it, or only queue it and print its id")]


@export.command("parquet")
def export_parquet(wait: _Wait = True, as_json: AsJson = False) -> None:
    """Bring `exports/parquet/current` to what is held, by its task: Parquet files, one a year, with a manifest.

    Exit codes are those of `quantlab sync`.
    """
    name = queue.full_name("export_parquet")
    follow(queue.start_task(name, {}, trigger="manual"), name, wait=wait, timeout=7200, as_json=as_json)
