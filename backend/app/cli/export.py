"""``quantlab export``: files for research."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated, BinaryIO

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from app.cli import snapshots
from app.cli.changes import start_task
from app.cli.data import follow
from app.cli.output import AsJson
from app.cli.times import DAY, AsOf, day
from app.core import queue
from app.core.wiring import get_platform
from app.errors import ExportError, InvalidParameter
from app.export.bar_frame import as_text
from app.market.adjustment import Adjustment, Direction, Method
from app.services.bar_pages import choose_bars, pages
from app.store.engine import snapshot

export = typer.Typer(help="Files for research, and what was exported.", no_args_is_help=True)

PAGE = 100_000
"""Bars in memory at once."""

_Force = Annotated[
    bool, typer.Option("--force", help="though nothing has changed, or though somebody went back to an earlier one")
]
_Wait = Annotated[bool, typer.Option("--wait/--no-wait", help="watch it, or only queue it and print its id")]


@export.command("qlib")
def export_qlib(force: _Force = False, wait: _Wait = True, as_json: AsJson = False) -> None:
    """Bring `exports/qlib/current` to what is held, by its task: the tree that Qlib reads, verified before it is seen.

    Exit codes are those of `quantlab sync`.

    Example: `quantlab export qlib`.
    """
    _run("sync_qlib", force=force, wait=wait, as_json=as_json)


@export.command("parquet")
def export_parquet(force: _Force = False, wait: _Wait = True, as_json: AsJson = False) -> None:
    """Bring `exports/parquet/current` to what is held, by its task: Parquet files, one a year, with a manifest.

    Exit codes are those of `quantlab sync`.

    Example: `quantlab export parquet`.
    """
    _run("export_parquet", force=force, wait=wait, as_json=as_json)


def _run(task: str, *, force: bool, wait: bool, as_json: bool) -> None:
    name = queue.full_name(task)
    started = start_task(name, {"force": True} if force else {})
    follow(started, name, wait=wait, timeout=7200, as_json=as_json)


export.command("list")(snapshots.list_exports)
export.command("verify")(snapshots.verify)
export.command("rollback")(snapshots.rollback)
export.command("fetch")(snapshots.fetch)


@export.command("csv")
def export_csv(
    *,
    symbols: Annotated[str | None, typer.Option(help="these, by commas: 2330,0050")] = None,
    universe: Annotated[str | None, typer.Option(help="instead: popular, popular_10, popular_5, or all")] = None,
    start: Annotated[datetime | None, typer.Option("--from", parser=day, metavar=DAY, help="the first session")] = None,
    end: Annotated[datetime | None, typer.Option("--to", parser=day, metavar=DAY, help="the last session")] = None,
    adjust: Annotated[
        Direction | None, typer.Option("--adjusted", help="back: the newest price stays raw; forward: the oldest")
    ] = None,
    method: Annotated[Method, typer.Option(help="what adjusting makes good for")] = Method.TOTAL_RETURN,
    as_of: AsOf = None,
    output: Annotated[str, typer.Option("-o", "--output", help="a file, or - for the standard output")] = "-",
    force: Annotated[bool, typer.Option("--force", help="overwrite the file if there is one")] = False,
) -> None:
    """Write daily bars as CSV by symbol and session: prices in TWD as exact decimals, absent values empty.

    Symbols are text: read them so (`pd.read_csv(…, dtype={"symbol": str})`), else 0050 becomes 50.

    Examples: `quantlab export csv --symbols 2330,0050 --from 2024-01-01 -o bars.csv`,
    `quantlab export csv --universe popular --adjusted back | gzip > bars.csv.gz`.
    """
    wanted = [part.strip() for part in symbols.split(",") if part.strip()] if symbols is not None else None
    platform = get_platform()
    with snapshot(platform.engine) as connection:
        choice = choose_bars(
            connection,
            symbols=wanted,
            universe=universe,
            universes=platform.context().universes,
            start=start.date() if start else None,
            end=end.date() if end else None,
            adjustment=Adjustment(adjust, method) if adjust else None,
            as_of=as_of,
        )
        names = list(choice.ids)
        columns = (
            SpinnerColumn(),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.description}"),
        )
        progress = Progress(*columns, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty())
        with _opened(output, force=force) as file, progress:
            bar, written, first = progress.add_task("securities", total=len(names)), 0, True
            found: set[str] = set()
            for page in pages(connection, choice, limit=PAGE):
                file.write(as_text(page.frame).write_csv(include_header=first).encode())
                first, written = False, written + page.frame.height
                found.update(page.frame["symbol"].unique())
                done = names.index(page.next.symbol) if page.next else len(names)
                progress.update(bar, completed=done, description=f"securities, {written:,} bars")
    if output != "-":
        prices = platform.settings.prices
        whose = "" if prices == "real" else f"; {prices.upper()} PRICES from the sandbox exchange, not the market's"
        typer.echo(f"{written:,} bars of {len(found):,} of {len(names):,} securities in {output}{whose}.", err=True)


@contextmanager
def _opened(output: str, *, force: bool) -> Iterator[BinaryIO]:
    """Where to write; a file gets its name when it is whole."""
    if output == "-":
        try:
            yield sys.stdout.buffer
            sys.stdout.buffer.flush()
        except BrokenPipeError:  # `… | head` has enough; Python would complain of it once more when it ends
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return
    path = Path(output)
    if path.exists() and not force:
        raise InvalidParameter(f"{path} exists: --force overwrites it.")
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("wb") as file:
            yield file
        part.replace(path)
    except OSError as error:
        raise ExportError(f"{path} could not be written: {error.strerror}.") from error
    finally:
        part.unlink(missing_ok=True)
