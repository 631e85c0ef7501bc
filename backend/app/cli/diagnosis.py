"""``quantlab doctor``: what is wrong, why, and what to do."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import timedelta

import typer

from app.cli.output import AsJson, console, print_json, print_source
from app.cli.status import findings_table
from app.core import queue
from app.core.backlog import queue_lengths
from app.core.celery_app import app as celery
from app.core.config import read_home, read_running
from app.core.health import checks_of
from app.core.wiring import Platform, get_platform
from app.ops import checks
from app.ops.health import Finding, Level, find_within
from app.sources.base import Site
from app.store import outbox, runs, users
from app.store.engine import transaction

PATIENCE = 8.0
"""Seconds for all checks together."""


def doctor(*, as_json: AsJson = False) -> None:
    """Check everything the platform needs; exit code 1 when something is wrong.

    Each finding says what is the case and, where it is not well, what to do.

    Example: `quantlab doctor`.
    """
    findings = find_within(PATIENCE, all_checks(get_platform()))
    wrong = [finding for finding in findings if finding.level is Level.ERROR]
    if as_json:
        print_json({"well": not wrong, "findings": [asdict(finding) for finding in findings]})
    else:
        print_source()
        console().print(findings_table(findings))
        typer.echo(f"\n{_verdict(findings)}")
    if wrong:
        raise typer.Exit(1)


def _verdict(findings: Sequence[Finding]) -> str:
    numbers = Counter(finding.level for finding in findings)
    doubts = numbers[Level.WARNING] + numbers[Level.UNKNOWN]
    if wrong := numbers[Level.ERROR]:
        return f"{wrong} of {len(findings)} checks found something wrong."
    return f"Nothing is wrong, but {doubts} of {len(findings)} checks warn: see above." if doubts else "All is well."


def all_checks(platform: Platform) -> dict[str, Callable[[], Finding]]:
    """Name → check, in the order in which they are shown."""
    settings = platform.settings
    home = read_home()
    given = [name for name in ("DATABASE_URL", "REDIS_URL") if name in os.environ]
    code = [task.name for task in queue.list_tasks()]
    return {
        "settings": lambda: checks.check_platform(read_running(home), home=home, given=given),
        **checks_of(platform),
        "migrations": lambda: checks.check_migrations(settings.database_url.get_secret_value()),
        "redis password": lambda: checks.check_redis_password(settings.redis_url.get_secret_value()),
        "tasks": lambda: checks.check_registered(celery, code=code),
        "queues": lambda: checks.check_backlog(queue_lengths(platform.redis)),
        "ledger": lambda: checks.check_ledger(lambda: _neglected(platform)),
        "last runs": lambda: _last_runs(platform, code),
        "breakers": lambda: checks.check_breakers(platform.breaker, platform.redis, list(Site)),
        "disk": lambda: checks.check_disk(settings.data_dir),
        "clock": lambda: checks.check_clock(platform.redis),
        "archive": lambda: checks.check_archive(platform.archive),
        "alerts": lambda: checks.check_alerts(settings.alert_addresses, file=settings.alerts_file),
        "admins": lambda: checks.check_admins(lambda: _admins(platform)),
        "admin token": lambda: checks.check_token(
            settings.admin_token_file, by_environment=settings.quantlab_admin_token is not None
        ),
    }


def _admins(platform: Platform) -> int:
    with transaction(platform.engine) as connection:
        return users.count_admins(connection)


def _neglected(platform: Platform) -> tuple[int, int]:
    with transaction(platform.engine) as connection:
        return outbox.neglected(connection, for_longer_than=timedelta(minutes=1))


def _last_runs(platform: Platform, tasks: list[str]) -> Finding:
    with transaction(platform.engine) as connection:
        last = [run for task in tasks for run in runs.list_runs(connection, task=task, limit=1)]
    failed = [run for run in last if run.state == "FAILED"]
    if not failed:
        return Finding(
            "last runs", Level.OK, f"No task's last run failed ({len(last)} of {len(tasks)} tasks ever ran)."
        )
    first = failed[0]
    short = first.task.removeprefix("app.tasks.")
    others = f" So did {len(failed) - 1} more." if len(failed) > 1 else ""
    detail = f"The last run of {short} failed: {first.error}{others}"
    return Finding("last runs", Level.WARNING, detail, f"quantlab runs show {first.id[:8]}")
