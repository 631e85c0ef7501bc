"""Are the worker and beat alive: asked, or read from evidence; where there is none, unknown."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import redis
from celery import Celery
from kombu.exceptions import OperationalError

from app.errors import StoreUnavailable
from app.ops.health import Finding, Level

SCHEDULE_SYNCED_WITHIN = 300.0
"""Seconds: beat writes its schedule file every three minutes, at a tick, of which there is one a minute."""

_FEW_TRIES = {"max_retries": 1, "interval_start": 0, "interval_step": 0.1, "interval_max": 0.1}
_SAME_START = 1.5  # seconds by which two readings of one process's start may differ


@dataclass(frozen=True, slots=True)
class WorkerState:
    """A worker that answered: what it does now, how many tasks it finished since it started, its pool size."""

    name: str
    active: tuple[dict[str, Any], ...]
    finished: dict[str, int]
    concurrency: int | None
    pid: int | None


def ping_workers(app: Celery, *, timeout: float = 1.0) -> list[str]:
    """Names of the workers that answer within *timeout* seconds. Raises StoreUnavailable without a broker."""
    return sorted(_ask(app, "ping", timeout))


def inspect_workers(app: Celery, *, timeout: float = 1.0) -> list[WorkerState]:
    """What each worker that answers within *timeout* seconds a question says. Raises StoreUnavailable as above."""
    stats, active = _ask(app, "stats", timeout), _ask(app, "active", timeout)
    return [
        WorkerState(
            name=name,
            active=tuple(active.get(name) or ()),
            finished=dict(facts.get("total") or {}),
            concurrency=(facts.get("pool") or {}).get("max-concurrency"),
            pid=facts.get("pid"),
        )
        for name, facts in sorted(stats.items())
    ]


def registered_tasks(app: Celery, *, timeout: float = 1.0) -> dict[str, list[str]]:
    """Worker → names of the tasks that it knows."""
    return {name: list(tasks) for name, tasks in _ask(app, "registered", timeout).items()}


def check_worker(app: Celery, *, home: Path, timeout: float = 1.0) -> Finding:
    """At least one worker answers; one that does not but whose process runs here is unknown, not an error."""
    names = ping_workers(app, timeout=timeout)
    if names:
        shown = ", ".join(names)
        facts = {"count": len(names), "names": shown}
        return Finding("worker", Level.OK, f"Answering: {shown}.", facts=facts)
    pid = supervised_pid(home, "worker")
    if pid is not None:
        detail = f"Its process runs (pid {pid}) but did not answer within {timeout:g} s: busy, or hung."
        return Finding("worker", Level.UNKNOWN, detail, "Ask again; if it stays so, look into its log.")
    detail = f"No worker answers within {timeout:g} s: what is queued waits."
    return Finding("worker", Level.ERROR, detail, "Start one: `make up`, or `celery -A app.core.celery_app worker`.")


def check_beat(*, home: Path, schedule_file: Path) -> Finding:
    """Beat lives, as far as this machine shows it: beat itself says nothing to anybody."""
    pid = supervised_pid(home, "beat")
    if pid is not None:
        return Finding("beat", Level.OK, f"Runs under `quantlab up` (pid {pid}).", facts={"evidence": f"pid {pid}"})
    files = list(schedule_file.parent.glob(f"{schedule_file.name}*")) if schedule_file.parent.is_dir() else []
    if files:
        age = time.time() - max(path.stat().st_mtime for path in files)
        if age < SCHEDULE_SYNCED_WITHIN:
            evidence = f"{age:.0f} s"
            return Finding("beat", Level.OK, f"Wrote its schedule {evidence} ago.", facts={"evidence": evidence})
    detail = "Nothing on this machine shows whether beat runs; without it no schedule fires."
    return Finding("beat", Level.UNKNOWN, detail, "See the process `celery … beat`, or start the platform: `make up`.")


def supervised_pid(home: Path, name: str) -> int | None:
    """The pid of the program *name* that ``quantlab up`` runs from *home*, if it is that very process still."""
    try:
        recorded: dict[str, dict[str, Any]] = json.loads((home / "programs.json").read_text())
    except (OSError, ValueError):
        return None
    for pid, facts in recorded.items():
        if facts.get("name") != name:
            continue
        try:
            process = psutil.Process(int(pid))
            alive = process.status() != psutil.STATUS_ZOMBIE
            if alive and abs(process.create_time() - float(facts["started"])) < _SAME_START:
                return int(pid)
        except (psutil.Error, KeyError, ValueError):
            continue
    return None


def _ask(app: Celery, question: str, timeout: float) -> dict[str, Any]:
    try:
        with app.connection_for_write() as connection:
            # Kombu's own default is to try for ever.
            connection.transport_options = {**connection.transport_options, **_FEW_TRIES}
            answers = getattr(app.control.inspect(timeout=timeout, connection=connection), question)()
    except (OperationalError, redis.RedisError, OSError) as error:
        raise StoreUnavailable(f"The broker does not answer, so no worker can be asked: {error}") from error
    return dict(answers or {})
