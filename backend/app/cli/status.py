"""``quantlab status`` and ``monitor``: is it well, and what goes on."""

from __future__ import annotations

import time
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Annotated

import typer
from rich.console import Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from app.cli.output import AsJson, coloured, console, local, print_json, print_source, table
from app.cli.runs import runs_table
from app.core import queue
from app.core.backlog import queue_lengths
from app.core.celery_app import app as celery
from app.core.config import get_settings
from app.core.health import find_all
from app.core.wiring import get_platform, now
from app.errors import QuantLabError
from app.ops.health import Finding, Level, overall
from app.ops.liveness import WorkerState, inspect_workers, tell
from app.store import heartbeats, state
from app.store import runs as store
from app.store.engine import transaction


def status(*, as_json: AsJson = False) -> None:
    """Is it well: servers, workers, what waits, the newest data, the last run of each task.

    Exit code 1 when PostgreSQL or Redis is away.

    Example: `quantlab status`.
    """
    platform = get_platform()
    findings = find_all(platform)
    well = {finding.name for finding in findings if finding.level is Level.OK}
    waiting = queue_lengths(platform.redis) if "redis" in well else {}
    newest, last = [], []
    if "postgresql" in well:
        with transaction(platform.engine) as connection:
            newest = state.newest_sessions(connection)
            last = [run for task in queue.list_tasks() for run in store.list_runs(connection, task=task.name, limit=1)]
    # Not where none lives: the question takes seconds to stay unanswered.
    hopeless = any(finding.name == "worker" and finding.level is Level.ERROR for finding in findings)
    workers = inspect_workers(celery) if "redis" in well and not hopeless else []
    if as_json:
        print_json(
            {
                "source": get_settings().quantlab_source,
                "prices": get_settings().prices,
                "findings": [asdict(one) for one in findings],
                "workers": [asdict(one) for one in workers],
                "queues": waiting,
                "newest_sessions": [asdict(one) for one in newest],
                "last_runs": [asdict(run) for run in last],
            }
        )
        _exit_code(findings)
        return
    print_source()
    out = console()
    out.print(findings_table(findings))
    out.print()
    out.print(_workers_table(workers))
    for name, by_priority in waiting.items():
        lengths = ", ".join(f"{count} at priority {priority}" for priority, count in sorted(by_priority.items()))
        out.print(f"Queue {name}: {lengths or 'empty'}")
    out.print()
    for one in newest:
        out.print(f"{one.venue}: bars up to {one.session}, {one.bars:,} securities that session")
    if not newest and "postgresql" in well:
        out.print("No bars yet: quantlab sync bars")
    if last:
        out.print()
        out.print(runs_table(last, title="Last run of each task"))
    _exit_code(findings)


def _exit_code(findings: list[Finding]) -> None:
    if overall(findings) == "down":
        raise typer.Exit(1)


def monitor(
    *,
    once: Annotated[bool, typer.Option("--once", help="print once and end")] = False,
    every: Annotated[float, typer.Option(min=0.5, help="seconds between two looks")] = 2,
    hours: Annotated[int, typer.Option(min=1, help="how far statistics and errors look back")] = 24,
) -> None:
    """Workers, what they do now, statistics of each task, recent errors.

    Example: `quantlab monitor --once --hours 24`.
    """
    if once:
        print_source()
        console().print(_monitor(hours))
        return
    try:
        with Live(_monitor(hours), console=console(), screen=False, auto_refresh=False) as live:
            while True:
                time.sleep(every)
                live.update(_monitor(hours), refresh=True)
    except KeyboardInterrupt:
        raise typer.Exit from None


def findings_table(findings: list[Finding]) -> Table:
    """Findings as a person reads them, with what to do about those that are not well."""
    made = table("what", "is", "found")
    for one in findings:
        detail = Text(one.detail)
        if one.remedy and one.level is not Level.OK:
            detail.append(f"\n→ {one.remedy}", style="bold")
        made.add_row(one.name, coloured(one.level.value), detail)
    return made


def _monitor(hours: int) -> RenderableType:
    parts: list[RenderableType] = [Text(f"QuantLab {local(now())} Taipei · {get_settings().prices} prices", "bold")]
    for look in (_programs_table, lambda: _workers_table(inspect_workers(celery))):
        try:
            parts.append(look())
        except QuantLabError as error:
            parts.append(Text(str(error), "red"))
    try:
        parts += _history(now() - timedelta(hours=hours), hours)
    except QuantLabError as error:
        parts.append(Text(str(error), "red"))
    return Group(*[line for part in parts for line in (part, Text())])


def _history(since: datetime, hours: int) -> list[RenderableType]:
    with transaction(get_platform().engine) as connection:
        numbers = store.stats(connection, since=since)
        failed = store.list_runs(connection, state="FAILED", since=since, limit=10)
    statistics = table("task", ">runs", ">success", ">partial", ">failed", ">mean", "last", title=f"Last {hours} h")
    for one in numbers:
        counted = [str(one.by_state.get(word, 0)) for word in ("SUCCESS", "PARTIAL", "FAILED")]
        mean = "" if one.seconds is None else f"{one.seconds:.1f} s"
        name = one.task.removeprefix("app.tasks.")
        statistics.add_row(name, str(one.total), *counted, mean, local(one.last_queued_at))
    errors = table("when", "task", "error", "id", title="Recent errors")
    for run in failed:
        sentence = Text(f"{run.error_type}: {run.error}")
        errors.add_row(local(run.finished_at), run.task.removeprefix("app.tasks."), sentence, run.id[:8])
    return [
        statistics if numbers else Text(f"Nothing ran in the last {hours} h."),
        errors if failed else Text("No errors.", "green"),
    ]


def _programs_table() -> RenderableType:
    """Beats, webs and workers by their heartbeats, which tell a busy one from a dead one."""
    with transaction(get_platform().engine) as connection:
        seen = heartbeats.look(connection)
    if not seen.programs:
        return Text("No worker, beat or web has a heartbeat: nothing runs.", "red")
    made = table("program", "is", ">slots", ">seen", "version", title="Programs")
    for one in seen.programs:
        slots = one.facts.get("slots")
        taken = f"{one.facts.get('busy')} of {slots}" if slots else ""
        made.add_row(
            one.name, coloured(tell(one, seen)), taken, f"{one.age:.0f} s ago", str(one.facts.get("version", ""))
        )
    return made


def _workers_table(workers: list[WorkerState]) -> RenderableType:
    if not workers:
        return Text("No worker answers.", "red")
    made = table("worker", ">processes", ">finished", "works on", title="Workers")
    for one in workers:
        active = ", ".join(f"{task['name'].removeprefix('app.tasks.')} {task['id'][:8]}" for task in one.active)
        made.add_row(one.name, str(one.concurrency or ""), str(sum(one.finished.values())), active or "nothing")
    return made
