"""What the page shows, gathered and put into words; the templates only lay it out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from app.admin.words import schedule_in
from app.core import queue
from app.core.health import find_recent
from app.core.wiring import Platform
from app.errors import QuantLabError
from app.market.calendar import TAIPEI
from app.ops.health import Finding
from app.store import runs, state
from app.store.engine import transaction
from app.store.runs import Run
from app.store.state import NewestSession

Words = Mapping[str, str]
RECENT = 20
_PREFIX = "app.tasks."


@dataclass(frozen=True, slots=True)
class RunView:
    """A run, in words."""

    run: Run
    name: str
    ago: str
    at: str
    took: str
    counts: list[tuple[str, str]]
    percent: int | None
    message: str | None


@dataclass(frozen=True, slots=True)
class TaskView:
    """A task, in words."""

    short: str
    name: str
    schedule: str
    next_fire: str
    schema: str
    last: RunView | None


@dataclass(frozen=True, slots=True)
class View:
    """The whole page; *away* says why runs and data cannot be read."""

    findings: list[Finding]
    tasks: list[TaskView]
    newest: list[NewestSession] = field(default_factory=list)
    recent: list[RunView] = field(default_factory=list)
    away: str | None = None


def build_view(platform: Platform, words: Words, *, at: datetime) -> View:
    """Everything, as of the instant *at*; with PostgreSQL away, what is known without it."""
    findings = _findings(platform, words)
    described = queue.list_tasks()
    try:
        with transaction(platform.engine) as connection:
            recent = runs.list_runs(connection, limit=RECENT)
            newest = state.newest_sessions(connection)
            last = {task.name: runs.list_runs(connection, task=task.name, limit=1) for task in described}
    except QuantLabError as error:
        tasks = [_task(task, None, words, at) for task in described]
        return View(findings, tasks, away=words["store_away"].format(why=error))
    return View(
        findings=findings,
        tasks=[_task(task, next(iter(last[task.name]), None), words, at) for task in described],
        newest=newest,
        recent=[_run(run, words, at) for run in recent],
    )


def _findings(platform: Platform, words: Words) -> list[Finding]:
    """In the page's words, where it has some for such a finding."""
    worded = []
    for finding in find_recent(platform):
        facts = dict(finding.facts)
        if "programs" in facts:
            facts["names"] = words["comma"].join(f"{name} {words[state]}" for name, state in facts["programs"])
        try:
            detail = words[f"{finding.name}_{finding.level}"].format(**facts)
        except KeyError:  # there are no words for it, or no facts: a check that did not answer in time
            detail = finding.detail
        worded.append(replace(finding, detail=detail))
    return worded


def _task(task: queue.TaskDescription, last: Run | None, words: Words, at: datetime) -> TaskView:
    upcoming = queue.next_fires(task.name, after=at, count=1)
    language = "zh" if words["lang"].startswith("zh") else "en"
    return TaskView(
        short=task.name.removeprefix(_PREFIX),
        name=_name(task.name, words),
        schedule="; ".join(schedule_in(language, one) for one in task.schedules) or words["no_schedule"],
        next_fire=_short_time(upcoming[0], at) if upcoming else "",
        schema=json.dumps(task.parameters),
        last=None if last is None else _run(last, words, at),
    )


def _run(run: Run, words: Words, at: datetime) -> RunView:
    counted = [(words[name], f"{value:,}") for name, value in run.counts.as_dict().items() if value is not None]
    progress = run.progress if run.state == "STARTED" else None
    total = int(progress["total"]) if progress else 0
    return RunView(
        run=run,
        name=_name(run.task, words),
        ago=ago(run.queued_at, words, at),
        at=f"{run.queued_at.astimezone(TAIPEI):%Y-%m-%d %H:%M:%S}",
        took=_took(run, at),
        counts=counted,
        percent=round(100 * int(progress["done"]) / total) if progress and total else None,
        message=run.error or run.reason or (str(progress["what"]) if progress else None),
    )


def _name(task: str, words: Words) -> str:
    short = task.removeprefix(_PREFIX)
    return words.get(f"n_{short}", short)


def _took(run: Run, at: datetime) -> str:
    if run.started_at is None:
        return ""
    return duration(((run.finished_at or at) - run.started_at).total_seconds())


def duration(seconds: float) -> str:
    """Seconds as a person reads them: ``0.4 s``, ``12 s``, ``3m 05s``, ``1h 02m``."""
    if seconds < 10:
        return f"{max(seconds, 0):.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60}m {whole % 60:02}s"
    return f"{whole // 3600}h {whole % 3600 // 60:02}m"


def ago(instant: datetime, words: Words, at: datetime) -> str:
    """How long before *at* the *instant* was."""
    seconds = (at - instant).total_seconds()
    if seconds < 5:
        return words["just_now"]
    for word, unit, below in (("ago_s", 1, 60), ("ago_m", 60, 3600), ("ago_h", 3600, 86_400)):
        if seconds < below:
            return words[word].format(n=int(seconds // unit))
    return words["ago_d"].format(n=int(seconds // 86_400))


def _short_time(instant: datetime, at: datetime) -> str:
    local, today = instant.astimezone(TAIPEI), at.astimezone(TAIPEI)
    return f"{local:%H:%M}" if local.date() == today.date() else f"{local:%m-%d %H:%M}"
