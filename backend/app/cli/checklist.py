"""What ``quantlab doctor`` looks at, wired; the guide's chapter on troubleshooting has a row for each."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

from app.core import queue
from app.core.backlog import queue_lengths
from app.core.celery_app import QUEUES
from app.core.celery_app import app as celery
from app.core.config import read_home, read_running
from app.core.health import checks_of
from app.core.version import fingerprint
from app.core.wiring import Platform, now
from app.errors import StoreUnavailable
from app.ops import causes, checks, surroundings
from app.ops.health import Check, Finding, Level
from app.sources.base import Site
from app.store import heartbeats, outbox, quarantine_reads, runs, schedules, state, users
from app.store.engine import Connection, transaction

CHECKS = {
    "settings": "a platform that does not run, or is looked for in another place",
    "postgresql": "PostgreSQL away, refusing the password, or with another source's data",
    "redis": "Redis away, or refusing the password",
    "broker": "Celery's broker away, or refusing the password",
    "redis writes": "Redis that takes no more (maxmemory, a full disk, a replica), or evicts messages",
    "redis password": "a Redis beyond this machine without a password",
    "worker": "no worker, or one that is dead or wedged",
    "beat": "no beat, or one that is dead or wedged; several are as good as one",
    "web": "a web that is dead or wedged",
    "canary": "messages that do not come through from beat to a worker",
    "task modules": "a task module with an import error, a schedule of a task that there is not",
    "tasks": "a task that a worker does not know",
    "code": "a program that runs other code than what lies on the disk",
    "consumers": "a queue from which no worker takes",
    "queues": "long queues",
    "schedules": "schedules that somebody paused",
    "ledger": "messages that nobody sends, runs whose worker died",
    "time limits": "tasks that hit their time limit within a day and have not succeeded since",
    "last runs": "tasks whose last run failed",
    "memory": "programs that hold more memory than meant",
    "breakers": "sites that are not asked: a ban, many failures, a quota used up",
    "quarantine": "rows that are kept out of the data",
    "migrations": "a database whose tables are not this code's",
    "disk": "little room on the disk",
    "clock": "clocks that differ between this machine, Redis and PostgreSQL",
    "time zone": "a zone of the machine or of PostgreSQL that is neither Taipei's nor UTC",
    "archive": "an archive of raw replies that cannot be written",
    "incidents": "alerts that are open",
    "alerts": "nobody to be told, or an address that cannot be used",
    "admins": "nobody who may change things in the console",
    "admin token": "an admin token that is missing or that others can read",
    "secret files": "files with passwords that others can read",
    "page": "a console whose page was not built",
}
"""Name → what it looks for, in the order in which they are shown."""

_Answer = TypeVar("_Answer")
_PAGE = Path(__file__).parents[1] / "admin/dist/index.html"
_A_DAY = timedelta(days=1)
_OF_LIMITS = ("SoftTimeLimitExceeded", "TimeLimitExceeded")


def all_checks(platform: Platform) -> dict[str, Check]:
    """Name → check, as CHECKS has them. Nothing is asked, or imported, before a check is called."""
    settings, home = platform.settings, read_home()
    given = [name for name in ("DATABASE_URL", "REDIS_URL") if name in os.environ]
    url = settings.database_url.get_secret_value()
    folder = settings.data_dir
    secrets = [home / "running.json", *(folder / name for name in ("alerts", "flower-password"))]
    secrets += [folder / name for name in ("postgres/password", "valkey/password", "valkey/valkey.conf")]
    scheduled = {name: str(entry["task"]) for name, entry in celery.conf.beat_schedule.items()}

    def ask(question: Callable[[Connection], _Answer]) -> _Answer:
        with transaction(platform.engine) as connection:
            return question(connection)

    def look() -> heartbeats.Seen:
        return ask(heartbeats.look)

    found: dict[str, Check] = {
        "settings": lambda: checks.check_platform(read_running(home), home=home, given=given),
        **checks_of(platform),
        "broker": lambda: surroundings.check_broker(celery),
        "redis writes": lambda: surroundings.check_redis_writes(platform.redis),
        "redis password": lambda: checks.check_redis_password(settings.redis_url.get_secret_value()),
        "task modules": lambda: causes.check_task_modules("app.tasks", scheduled, queue.task_names),
        "tasks": lambda: _with_tasks("tasks", lambda names: checks.check_registered(celery, code=names)),
        "code": lambda: causes.check_code(look, own=fingerprint()),
        "consumers": lambda: causes.check_consumers(look, QUEUES),
        "queues": lambda: checks.check_backlog(queue_lengths(platform.redis)),
        "schedules": lambda: causes.check_schedules(
            lambda: [
                name for name, row in ask(schedules.read_all).items() if row.enabled is False and name in scheduled
            ]
        ),
        "ledger": lambda: checks.check_ledger(
            lambda: ask(lambda connection: outbox.neglected(connection, for_longer_than=timedelta(minutes=1)))
        ),
        "time limits": lambda: causes.check_time_limits(lambda: ask(_hits)),
        "last runs": lambda: _with_tasks("last runs", lambda names: _last_runs(platform, names)),
        "memory": lambda: causes.check_memory(look, each=settings.celeryd_max_memory_per_child * 1024),
        "breakers": lambda: checks.check_breakers(platform.breaker, platform.redis, list(Site)),
        "quarantine": lambda: causes.check_quarantine(
            lambda: ask(lambda connection: quarantine_reads.count_by_rule(connection, _KEPT_OUT))
        ),
        "migrations": lambda: checks.check_migrations(url),
        "disk": lambda: checks.check_disk(folder),
        "clock": lambda: surroundings.check_clock(platform.redis, lambda: state.server_clock(url)),
        "time zone": lambda: surroundings.check_zones(lambda: state.server_clock(url)),
        "archive": lambda: checks.check_archive(platform.archive),
        "alerts": lambda: checks.check_alerts(settings.alert_addresses, file=settings.alerts_file),
        "admins": lambda: checks.check_admins(lambda: ask(users.count_admins)),
        "admin token": lambda: checks.check_token(
            settings.admin_token_file, by_environment=settings.quantlab_admin_token is not None
        ),
        "secret files": lambda: surroundings.check_secret_files(secrets),
        "page": lambda: surroundings.check_page(_PAGE),
    }
    return {name: _one_cause(name, found[name]) for name in CHECKS}


_KEPT_OUT = quarantine_reads.Filter(severity="blocking")


def _one_cause(name: str, check: Check) -> Check:
    """What a check needs and does not reach is told by that server's own check; it knows nothing itself then."""

    def find() -> Finding:
        try:
            return check()
        except StoreUnavailable as error:
            return waits(name, f"Nobody knows: {error}")

    return find


def waits(name: str, detail: str) -> Finding:
    """What is found of a check that cannot be made before a server answers; its facts say ``waits``."""
    remedy = "First mend what `postgresql`, `redis` or `broker` tells."
    return Finding(name, Level.UNKNOWN, detail, remedy, {"waits": True})


def _hits(connection: Connection) -> list[runs.Run]:
    """The runs of a day that a time limit ended, of tasks that did not succeed since."""
    failed = runs.list_runs(connection, state="FAILED", since=now() - _A_DAY, limit=1000)
    hits = [run for run in failed if run.error_type in _OF_LIMITS]
    newest = runs.newest_by_task(connection, sorted({run.task for run in hits}), each=1)
    mended = {task for task, (last, *_) in newest.items() if last.state in ("SUCCESS", "PARTIAL")}
    return [run for run in hits if run.task not in mended]


def _with_tasks(name: str, then: Callable[[list[str]], Finding]) -> Finding:
    """What is found with the names of this code's tasks; of a module that cannot be imported another check tells."""
    try:
        names = queue.task_names()
    except BaseException:  # as above, it may do anything
        detail = "Nobody knows: this code's task modules cannot be imported."
        return Finding(name, Level.UNKNOWN, detail, "See the check `task modules`.")
    return then(names)


def _last_runs(platform: Platform, tasks: Collection[str]) -> Finding:
    with transaction(platform.engine) as connection:
        newest = runs.newest_by_task(connection, list(tasks), each=1)
    last = [run for found in newest.values() for run in found]
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
