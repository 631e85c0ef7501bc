"""``quantlab status``: is it well."""

from __future__ import annotations

from dataclasses import asdict

import typer
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from app.cli.output import AsJson, coloured, console, print_json, print_source, table
from app.cli.runs import runs_table
from app.core import queue
from app.core.backlog import queue_lengths
from app.core.celery_app import app as celery
from app.core.config import get_settings
from app.core.health import find_all
from app.core.wiring import get_platform
from app.ops.health import Finding, Level, overall
from app.ops.liveness import WorkerState, inspect_workers
from app.store import runs as store
from app.store import state
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
        lengths = ", ".join(
            f"{count} at {'unknown priority' if priority is None else f'priority {priority}'}"
            for priority, count in sorted(by_priority.items(), key=lambda one: one[0] or 0)
        )
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


def findings_table(findings: list[Finding]) -> Table:
    """Findings as a person reads them, with what to do about those that are not well."""
    made = table("what", "is", "found")
    for one in findings:
        detail = Text(one.detail)
        if one.remedy and one.level is not Level.OK:
            detail.append(f"\n→ {one.remedy}", style="bold")
        made.add_row(one.name, coloured(one.level.value), detail)
    return made


def _workers_table(workers: list[WorkerState]) -> RenderableType:
    if not workers:
        return Text("No worker answers.", "red")
    made = table("worker", ">processes", ">finished", "works on", title="Workers")
    for one in workers:
        active = ", ".join(f"{task['name'].removeprefix('app.tasks.')} {task['id'][:8]}" for task in one.active)
        made.add_row(one.name, str(one.concurrency or ""), str(sum(one.finished.values())), active or "nothing")
    return made
