"""The doctor's checks beyond health: each a function that finds one thing, with its cause and what to do."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import redis
from celery import Celery

from app.cache.breaker import SharedBreaker
from app.cache.quota import resting
from app.errors import ConfigurationError, StoreUnavailable
from app.files import Files, LocalFiles
from app.market.written import clock_of
from app.ops.alerts.channels import open_channels
from app.ops.health import Finding, Level
from app.ops.liveness import registered_tasks
from app.store import migrate

LITTLE_ROOM, NO_ROOM = 5 * 2**30, 2**30
LONG_QUEUE = 100
_LOOPBACK = ("127.0.0.1", "localhost", "::1", None)


def check_platform(running: Mapping[str, Any], *, home: Path, given: Collection[str]) -> Finding:
    """How the servers are found: running.json of a platform that lives, or the environment."""
    name = "settings"
    if not running:
        if given:
            return Finding(name, Level.OK, f"The environment names {', '.join(sorted(given))}.")
        detail = f"No platform runs from {home}, and DATABASE_URL and REDIS_URL are not set."
        return Finding(name, Level.ERROR, detail, "Start it: `make up`; or set QUANTLAB_HOME to where it runs.")
    pid = int(running.get("pid", 0))
    if not psutil.pid_exists(pid):
        detail = f"{home / 'running.json'} tells of a platform (pid {pid}) that no longer runs."
        return Finding(name, Level.ERROR, detail, "Start it again: `make up` removes the old file.")
    return Finding(name, Level.OK, f"The platform of {home} runs (pid {pid}), web at {running.get('web')}.")


def check_migrations(url: str) -> Finding:
    """The database has this code's tables."""
    have, want = migrate.current(url), migrate.head()
    if have == want:
        return Finding("migrations", Level.OK, f"The database stands at {have}, the newest.")
    detail = f"The database stands at {have or 'nothing'}, this code wants {want}."
    return Finding("migrations", Level.ERROR, detail, "`make up` migrates; or run `python -m app.cli.migrate`.")


def check_redis_password(url: str) -> Finding:
    """Who can reach Redis can queue tasks: beyond this machine it needs a password."""
    parts = urlsplit(url)
    if parts.password or parts.hostname in _LOOPBACK:
        return Finding("redis password", Level.OK, "Set." if parts.password else "None, on loopback only.")
    detail = f"Redis at {parts.hostname} is used without a password: whoever reaches it can start tasks."
    return Finding("redis password", Level.WARNING, detail, "Set requirepass there and the password in REDIS_URL.")


def check_registered(app: Celery, *, code: Collection[str]) -> Finding:
    """Every worker knows the tasks that this code has."""
    name, workers = "tasks", registered_tasks(app)
    if not workers:
        remedy = "See the check `worker`: none lives, or one that lives does not answer in time, as while it starts."
        return Finding(name, Level.UNKNOWN, f"This code has {len(code)} tasks; no worker says which it knows.", remedy)
    for worker, known in workers.items():
        missing = sorted(set(code) - {task.partition(" ")[0] for task in known})
        if missing:
            detail = f"{worker} does not know {', '.join(missing)}: it started before they were written."
            return Finding(name, Level.ERROR, detail, "Restart it: `quantlab workers restart --all`, or its container.")
    return Finding(name, Level.OK, f"All {len(code)} tasks are registered with each worker ({len(workers)}).")


def check_backlog(lengths: Mapping[str, Mapping[int | None, int]]) -> Finding:
    """Queues are short."""
    waiting = {queue: sum(counts.values()) for queue, counts in lengths.items()}
    shown = ", ".join(f"{queue} {count}" for queue, count in waiting.items())
    if max(waiting.values(), default=0) < LONG_QUEUE:
        return Finding("queues", Level.OK, f"Waiting: {shown}.")
    remedy = "See what the workers do (`quantlab monitor`); add one, or `celery … purge` what nobody needs."
    return Finding("queues", Level.WARNING, f"Waiting: {shown}.", remedy)


def check_ledger(count: Callable[[], tuple[int, int]]) -> Finding:
    """Somebody sends what waits to be sent, and revives runs whose worker died: any worker or beat does."""
    unsent, dead = count()
    if not unsent and not dead:
        return Finding("ledger", Level.OK, "Every message is sent, every run that is under way has a living worker.")
    detail = f"{unsent} messages wait to be sent and {dead} runs have no living worker for longer than a minute."
    remedy = "Start beat or a worker: either sends and revives. If one runs, see whether it reaches both servers."
    return Finding("ledger", Level.ERROR, detail, remedy)


def check_breakers(breaker: SharedBreaker, client: redis.Redis, sites: Collection[str]) -> Finding:
    """Every site may be asked: no breaker is open, and none rests because its quota is used up."""
    shut = {site: state for site in sites if (state := breaker.state(site))}
    rests = [rest[1] for site in sites if (rest := resting(client, site))]
    if rests and not shut:
        return Finding("breakers", Level.WARNING, " ".join(rests), "Wait: what wanted it is tried again by itself.")
    if not shut:
        return Finding("breakers", Level.OK, "Every site may be asked.")
    detail = " ".join(
        f"{site} is not asked until {clock_of(state['until'])} Taipei: {state['reason']}"
        for site, state in shut.items()
    )
    return Finding("breakers", Level.ERROR, detail, f"Look why, then `quantlab breaker close {next(iter(shut))}`.")


def check_disk(folder: Path) -> Finding:
    """There is room for more."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(there).free
    level = Level.ERROR if free < NO_ROOM else Level.WARNING if free < LITTLE_ROOM else Level.OK
    remedy = None if level is Level.OK else "Make room, or set QUANTLAB_HOME to a larger disk."
    return Finding("disk", level, f"{free / 2**30:.1f} GiB are free at {there}.", remedy)


def check_archive(files: Files) -> Finding:
    """Raw replies can be kept."""
    if not isinstance(files, LocalFiles):
        try:
            files.find("*")
        except (OSError, StoreUnavailable) as error:
            return Finding("archive", Level.ERROR, str(error), "Correct QUANTLAB_ARCHIVE or its credentials.")
        return Finding("archive", Level.OK, f"{files.root} answers.")
    folder = files.root.resolve()
    if folder.with_name(f"{folder.name}.replaced").exists():
        detail = f"A restore was killed: the replies in {folder} may not be those of the database."
        return Finding("archive", Level.ERROR, detail, "Run `quantlab restore` again; it first mends that.")
    there = next(path for path in (folder, *folder.parents) if path.exists())
    if os.access(there, os.W_OK | os.X_OK):
        return Finding("archive", Level.OK, f"{folder} can be written.")
    detail = f"{folder} cannot be written, so no reply of an exchange can be kept."
    return Finding("archive", Level.ERROR, detail, "Give the folder to the account that runs the worker.")


def check_alerts(addresses: Callable[[], Sequence[str]], *, file: Path) -> Finding:
    """Somebody is told when something is wrong."""
    name = "alerts"
    try:
        channels = open_channels(addresses())
    except ConfigurationError as error:
        return Finding(name, Level.ERROR, str(error), "Do so, then `quantlab alerts test`.")
    if channels.wrong:
        return Finding(name, Level.ERROR, " ".join(channels.wrong), "Correct it, then `quantlab alerts test`.")
    if not channels.usable:
        remedy = f"Set QUANTLAB_ALERTS, or write addresses into {file}; docs/howto/alerts.md shows how."
        return Finding(name, Level.WARNING, "Nobody is told when something is wrong.", remedy)
    told = ", ".join(channel.name for channel in channels.usable)
    return Finding(name, Level.OK, f"Told are: {told}. `quantlab alerts test` proves it.")


def check_admins(count: Callable[[], int]) -> Finding:
    """Somebody can log in to the console and change things."""
    admins = count()
    if admins:
        return Finding("admins", Level.OK, f"{admins} can log in and change things.")
    detail = "No admin can log in to the console."
    return Finding("admins", Level.WARNING, detail, "quantlab users add NAME --role admin")


def check_token(file: Path, *, by_environment: bool) -> Finding:
    """The admin token exists and only its owner can read it."""
    if by_environment:
        return Finding("admin token", Level.OK, "Set by QUANTLAB_ADMIN_TOKEN.")
    try:
        mode = stat.S_IMODE(file.stat().st_mode)
    except OSError as error:
        detail = f"{file} cannot be read ({error.strerror}): nothing can be started over HTTP."
        return Finding("admin token", Level.WARNING, detail, "`make up` writes it; or set QUANTLAB_ADMIN_TOKEN.")
    if mode & 0o077:
        return Finding("admin token", Level.WARNING, f"Others can read {file}.", f"chmod 600 {file}")
    return Finding("admin token", Level.OK, f"In {file}, for its owner only.")
