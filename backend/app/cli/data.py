"""``quantlab sync``: start a task through the queue and watch it."""

from __future__ import annotations

import time
from datetime import datetime
from enum import IntEnum
from typing import Annotated, Any

import typer
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from app.cli.changes import start_task
from app.cli.output import AsJson, coloured, console, in_words, print_json, took
from app.cli.times import DAY, day
from app.core import queue
from app.core.celery_app import app as celery
from app.core.wiring import get_platform
from app.errors import InvalidParameter, UnknownTask
from app.ops.liveness import ping_workers
from app.store import runs
from app.store.engine import transaction
from app.store.runs import Run

DATASETS = {
    "securities": "sync_stock_list",
    "bars": "sync_daily_prices",
    "ohlcv": "sync_ohlcv_data",
    "quotes": "sync_latest_prices",
    "actions": "sync_corporate_actions",
    "figures": "sync_market_figures",
    "qlib": "sync_qlib",
    "cleanup": "cleanup_old_cache",
    "missing": "catch_up",
}
"""What people say → the task that does it; tasks' own names work too."""
ELSEWHERE = {"parquet": "quantlab export parquet", "csv": "quantlab export csv --universe all -o bars.csv"}
"""What is no dataset to advance, but a file to write."""

POLL = 0.3
LINE_EVERY = 10.0
"""Seconds between two lines about the progress where nobody looks at a terminal."""
WORKER_WITHIN = 10.0
"""Seconds that a run may stay QUEUED before we ask whether any worker lives."""


class Exit(IntEnum):
    """Exit codes, for scripts."""

    SUCCESS = 0
    FAILED = 1
    PARTIAL = 3
    NOBODY_WORKS = 4


_CODES = {"SUCCESS": Exit.SUCCESS, "SKIPPED": Exit.SUCCESS, "PARTIAL": Exit.PARTIAL, "FAILED": Exit.FAILED}
_CODES |= {"LOST": Exit.FAILED, "CANCELLED": Exit.FAILED}


def sync(
    dataset: Annotated[
        str,
        typer.Argument(help="securities, bars, ohlcv, quotes, actions, figures, qlib, cleanup, missing, or a task"),
    ],
    symbols: Annotated[str | None, typer.Option(help="only these, by commas: 2330,2317")] = None,
    days: Annotated[int | None, typer.Option(help="calendar days, counted back from the end date")] = None,
    universe: Annotated[str | None, typer.Option(help="a named set: all, popular, popular_10, popular_5")] = None,
    *,
    end_date: Annotated[
        datetime | None, typer.Option(parser=day, metavar=DAY, help="the last day (default: today in Taipei)")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="start another run though the same is under way")] = False,
    timeout: Annotated[float, typer.Option(help="seconds to watch it at most; it goes on without us")] = 7200,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="watch it, or only queue it and print its id")] = True,
    as_json: AsJson = False,
) -> None:
    """Advance a dataset to the newest published session, by its task, and watch it.

    Exit code 0 for SUCCESS and SKIPPED, 3 PARTIAL, 1 FAILED, LOST and CANCELLED, 4 when nothing runs it in time.

    Examples: `quantlab sync securities`, `quantlab sync bars --days 30`, `quantlab sync quotes --universe popular`.
    """
    if dataset in ELSEWHERE:
        raise InvalidParameter(f"{dataset} is written by an export: {ELSEWHERE[dataset]}")
    try:
        name = queue.full_name(DATASETS.get(dataset, dataset))
    except UnknownTask:
        known = "".join(f"\n  {one:<11} {task}" for one, task in DATASETS.items())
        raise UnknownTask(
            f"{dataset!r} is neither a dataset nor a task. Name one of these, or any task:{known}"
        ) from None
    given: dict[str, Any] = {
        "stock_ids": [one.strip() for one in symbols.split(",") if one.strip()] if symbols is not None else None,
        "days": days,
        "universe": universe,
        "end_date": end_date.date().isoformat() if end_date else None,
    }
    started = start_task(name, {k: v for k, v in given.items() if v is not None}, force=force)
    follow(started, name, wait=wait, timeout=timeout, as_json=as_json)


def follow(started: queue.Started, name: str, *, wait: bool, timeout: float, as_json: bool) -> None:
    """Watch a run that was just asked for, or only print its id; the exit code is that of ``sync``."""
    run_id = started.id
    if not started.new:
        typer.echo(f"The same is under way as {run_id}; --force would start another.", err=True)
    if not wait:
        print_json({"id": run_id, "task": name}) if as_json else typer.echo(run_id)
        return
    try:
        run = _watch(run_id, name, timeout, quiet=as_json)
    except KeyboardInterrupt:
        typer.echo(f"\nNo longer watching; the run goes on: quantlab runs show {run_id}", err=True)
        raise typer.Exit(Exit.SUCCESS) from None
    _show_end(run, as_json=as_json)
    raise typer.Exit(_CODES.get(run.state, Exit.NOBODY_WORKS))


def _watch(run_id: str, name: str, timeout: float, *, quiet: bool) -> Run:
    """The run when it has ended, or as it stands when *timeout* is over or no worker lives."""
    columns = (SpinnerColumn(), TextColumn("{task.fields[state]}"), BarColumn(), MofNCompleteColumn())
    times = (TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn())
    drawn = not quiet and console().is_terminal
    progress = Progress(*columns, *times, TextColumn("{task.description}"), transient=True, disable=not drawn)
    start, asked = time.monotonic(), False
    told = start
    with progress:
        bar = progress.add_task(name.removeprefix("app.tasks."), total=None, state="QUEUED")
        while True:
            run = _read(run_id)
            waited = time.monotonic() - start
            if run.is_final or waited > timeout:
                return run
            if run.state == "QUEUED" and waited > WORKER_WITHIN and not asked:
                asked = True
                if not ping_workers(celery):
                    typer.echo("No worker answers, so the run stays queued: start one with `make up`.", err=True)
                    return run
            if run.progress:
                done, total, what = (run.progress[key] for key in ("done", "total", "what"))
                progress.update(bar, completed=done, total=total or None, description=str(what))
            progress.update(bar, state=run.state)
            if not quiet and not drawn and time.monotonic() - told >= LINE_EVERY:
                told = time.monotonic()
                typer.echo(_line(run), err=True)
            time.sleep(POLL)


def _line(run: Run) -> str:
    """How far it is, for a log."""
    if not run.progress:
        return run.state
    return f"{run.state} {run.progress['done']}/{run.progress['total']} {run.progress['what']}"


def _read(run_id: str) -> Run:
    with transaction(get_platform().engine) as connection:
        return runs.get(connection, run_id)


def _show_end(run: Run, *, as_json: bool) -> None:
    if as_json:
        facts = {"id": run.id, "task": run.task, "state": run.state, "reason": run.reason, "error": run.error}
        print_json({**facts, "error_type": run.error_type, "counts": run.counts.as_dict()})
        return
    out = console()
    out.print(coloured(run.state), run.task.removeprefix("app.tasks."), took(run.started_at, run.finished_at), run.id)
    if counts := in_words(run.counts):
        out.print(f"  {counts}")
    if sentence := run.error or run.reason:
        out.print(f"  {sentence}", markup=False)
