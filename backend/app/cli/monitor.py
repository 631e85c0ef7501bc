"""``quantlab monitor``: services, programs, what runs now, queues, statistics and failures; once, or live."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated

import typer
from rich.columns import Columns
from rich.console import Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from app.cli.output import coloured, console, local, print_source, table, took
from app.cli.status import findings_table
from app.core.backlog import queue_lengths
from app.core.config import get_settings
from app.core.health import find_all
from app.core.wiring import Platform, get_platform, now
from app.errors import QuantLabError
from app.ops.health import Finding, Level
from app.ops.liveness import tell
from app.store import heartbeats, runs
from app.store.engine import transaction
from app.store.heartbeats import Seen
from app.store.runs import Run, TaskStats

MOST_ACTIVE = 20
MOST_FAILURES = 10
MOST_HOURS = 1_000_000
"""A hundred years: no calendar goes back for ever."""


@dataclass(frozen=True, slots=True)
class Picture:
    """What there is to see at one instant; None: it could not be asked, and a finding says why."""

    at: datetime
    findings: Sequence[Finding]
    seen: Seen | None
    active: Sequence[Run] | None
    statistics: Sequence[TaskStats] | None
    failed: Sequence[Run] | None
    queues: Mapping[str, Mapping[int | None, int]] | None

    @property
    def well(self) -> bool:
        """Whether no check found anything wrong."""
        return all(one.level is not Level.ERROR for one in self.findings)


def monitor(
    *,
    once: Annotated[bool, typer.Option("--once", help="print once as plain text and end")] = False,
    every: Annotated[float, typer.Option(min=0.5, help="seconds between two looks")] = 2,
    hours: Annotated[int, typer.Option(min=1, max=MOST_HOURS, help="how far statistics and failures look back")] = 24,
) -> None:
    """Services, workers, what runs now and how far it is, queues, statistics of each task, failures.

    Live until Ctrl-C. With --once the exit code is 1 when a check found something wrong, for cron; so it is in a pipe
    or a file, which nobody watches.

    Examples: `quantlab monitor`, `quantlab monitor --once --hours 24`.
    """
    platform = get_platform()
    if once or not console().is_terminal:
        print_source()
        picture = look(platform, hours=hours)
        console().print(draw(picture, hours=hours))
        if not picture.well:
            raise typer.Exit(1)
        return
    try:
        with Live(console=console(), screen=True, auto_refresh=False) as live:
            while True:
                live.update(draw(look(platform, hours=hours), hours=hours), refresh=True)
                time.sleep(every)
    except KeyboardInterrupt:
        raise typer.Exit from None


def look(platform: Platform, *, hours: int) -> Picture:
    """Ask everything, within seconds whoever is away."""
    at = now()
    findings = find_all(platform)
    well = {one.name for one in findings if one.level is not Level.ERROR}
    queues = None
    if "redis" in well:
        with suppress(QuantLabError):  # it went away since; the next look's finding says so
            queues = queue_lengths(platform.redis)
    if "postgresql" not in well:
        return Picture(at, findings, None, None, None, None, queues)
    try:
        with transaction(platform.engine) as connection:
            seen = heartbeats.look(connection)
            active = runs.list_runs(connection, state="STARTED", limit=MOST_ACTIVE)
            since = at - timedelta(hours=hours)
            statistics = runs.stats(connection, since=since)
            failed = [
                run
                for state in ("FAILED", "LOST")
                for run in runs.list_runs(connection, state=state, since=since, limit=MOST_FAILURES)
            ]
    except QuantLabError:
        return Picture(at, findings, None, None, None, None, queues)
    failed.sort(key=lambda run: run.queued_at, reverse=True)
    return Picture(at, findings, seen, active, statistics, failed[:MOST_FAILURES], queues)


def draw(picture: Picture, *, hours: int) -> RenderableType:
    """All of it, what matters first: a terminal that is too low cuts the end off."""
    prices = f" · {get_settings().prices} prices"
    parts: list[RenderableType] = [
        # Where no platform answers, nobody knows whose prices it has.
        Text(f"QuantLab {local(picture.at)} Taipei{'' if picture.seen is None else prices}", "bold"),
        _services(picture.findings),
    ]
    if picture.active is not None:
        parts.append(_active(picture.active, picture.at))
    if picture.queues is not None:
        parts.append(_queues(picture.queues))
    if picture.seen is not None:
        parts.append(_programs(picture.seen))
    if picture.failed is not None:
        parts.append(_failures(picture.failed, hours))
    if picture.statistics is not None:
        parts.append(_statistics(picture.statistics, hours))
    return Group(*[line for part in parts for line in (part, Text())])


def _services(findings: Sequence[Finding]) -> RenderableType:
    """A word each, in one line where there is room; below, those that are not well, with what to do."""
    words = Columns([Text.assemble(f"{one.name} ", coloured(one.level.value)) for one in findings], padding=(0, 2))
    unwell = [one for one in findings if one.level is not Level.OK]
    return Group(words, findings_table(unwell)) if unwell else words


def _active(active: Sequence[Run], at: datetime) -> RenderableType:
    if not active:
        return Text("Nothing runs now.", "dim")
    made = table("task", "progress", "", ">took", ">left", "worker", "id", title="Runs now")
    for run in active:
        done, total = 0, 0
        if run.progress:
            done, total = int(run.progress["done"]), int(run.progress["total"] or 0)
        bar: RenderableType = ProgressBar(total=total, completed=done, width=16) if total else ""
        so_far = f"{done:,}/{total:,}" if total else ""
        left = _left(run.started_at, at, done=done, total=total)
        short = run.task.removeprefix("app.tasks.")
        made.add_row(short, bar, so_far, took(run.started_at, None), left, run.worker or "", run.id[:8])
    return made


def _left(start: datetime | None, at: datetime, *, done: int, total: int) -> str:
    """As long as what is done took, a unit; nothing while none is done."""
    if start is None or not 0 < done <= total:
        return ""
    seconds = (at - start).total_seconds() * (total - done) / done
    return f"{seconds:.0f} s" if seconds < 100 else f"{int(seconds // 60)}m {int(seconds % 60):02}s"


def _queues(queues: Mapping[str, Mapping[int | None, int]]) -> RenderableType:
    made = table("queue", ">waiting", "by priority")
    for name, by_priority in queues.items():
        known = sorted(by_priority.items(), key=lambda one: one[0] or 0, reverse=True)
        lengths = {priority: length for priority, length in known if length}
        detail = ", ".join(
            f"{length:,} at {'unknown' if priority is None else priority}" for priority, length in lengths.items()
        )
        made.add_row(name, f"{sum(lengths.values()):,}", detail)
    return made


def _programs(seen: Seen) -> RenderableType:
    """Beats, webs and workers by their heartbeats, which tell a busy one from a dead one."""
    if not seen.programs:
        return Text("No worker, beat or web has a heartbeat: nothing runs.", "red")
    made = table("program", "is", ">slots", ">seen", "version", title="Programs")
    for one in seen.programs:
        slots = one.facts.get("slots")
        taken = f"{one.facts.get('busy')} of {slots}" if slots else ""
        version = str(one.facts.get("version", ""))
        made.add_row(one.name, coloured(tell(one, seen)), taken, f"{one.age:.0f} s ago", version)
    return made


def _failures(failed: Sequence[Run], hours: int) -> RenderableType:
    if not failed:
        return Text(f"Nothing failed in the last {hours} h.", "green")
    made = table("when", "task", "error", "id", title=f"Failures of the last {hours} h")
    for run in failed:
        sentence = Text(f"{run.error_type}: {run.error}" if run.error else run.reason or run.state)
        made.add_row(local(run.finished_at)[5:], run.task.removeprefix("app.tasks."), sentence, run.id[:8])
    return made


def _statistics(statistics: Sequence[TaskStats], hours: int) -> RenderableType:
    if not statistics:
        return Text(f"Nothing ran in the last {hours} h.", "dim")
    made: Table = table("task", ">runs", ">success", ">partial", ">failed", ">mean", "last", title=f"Last {hours} h")
    for one in statistics:
        counted = [one.by_state.get(word, 0) for word in ("SUCCESS", "PARTIAL")]
        failed = one.by_state.get("FAILED", 0) + one.by_state.get("LOST", 0)
        mean = "" if one.seconds is None else f"{one.seconds:.1f} s"
        name = one.task.removeprefix("app.tasks.")
        numbers = [str(number) for number in (one.total, *counted, failed)]
        made.add_row(name, *numbers, mean, local(one.last_queued_at)[5:])
    return made
