"""What the guide's chapter on troubleshooting names, found around the programs: broker, clocks, files."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, cast

import redis
from celery import Celery
from kombu.exceptions import OperationalError

from app.cache.client import redis_errors
from app.cache.keys import PROBE
from app.errors import StoreUnavailable
from app.ops.health import Finding, Level
from app.store.state import ServerClock

CLOCK_MAY_DIFFER = 5.0
"""Seconds."""
_UTC, _TAIPEI = 0, 8 * 3600


def check_broker(app: Celery) -> Finding:
    """Celery's broker answers and lets us in: CELERY_BROKER_URL may name another server than REDIS_URL."""
    name = "broker"
    with app.connection_for_write() as connection:
        try:
            connection.ensure_connection(max_retries=1, interval_start=0, timeout=3)
            # Kombu's connection to Redis is lazy, and succeeds before anybody has asked for the password.
            connection.default_channel.client.ping() if hasattr(connection.default_channel, "client") else None
        except (OperationalError, redis.RedisError, OSError) as error:
            if isinstance(error, redis.AuthenticationError) or isinstance(error.__cause__, redis.AuthenticationError):
                detail = f"The broker refuses the password: {str(error).rstrip('.')}."
                remedy = "Correct the password in CELERY_BROKER_URL (where that is not set, in REDIS_URL)."
                return Finding(name, Level.ERROR, detail, remedy)
            remedy = "Start it, or correct CELERY_BROKER_URL, which counts before REDIS_URL."
            return Finding(name, Level.ERROR, f"The broker does not answer: {error}", remedy)
    return Finding(name, Level.OK, "Celery's broker answers.")


def check_redis_writes(client: redis.Redis) -> Finding:
    """Redis takes what is written, and throws nothing away to make room for it."""
    name = "redis writes"
    try:
        with redis_errors():
            client.set(PROBE.of(), 1, ex=PROBE.ttl)
            memory = cast("dict[str, Any]", client.info("memory"))
    except StoreUnavailable as error:
        if isinstance(error.__cause__, redis.ConnectionError | redis.TimeoutError):
            raise
        remedy = (
            "Give it room: raise maxmemory, or free the disk of its folder; of a replica name the primary in REDIS_URL."
        )
        return Finding(name, Level.ERROR, str(error), remedy)
    limit, policy = int(memory.get("maxmemory") or 0), str(memory.get("maxmemory_policy", "noeviction"))
    if limit and policy != "noeviction":
        detail = f"At {limit / 2**20:,.0f} MB Redis throws keys away ({policy}), and queued messages are keys."
        return Finding(name, Level.WARNING, detail, "CONFIG SET maxmemory-policy noeviction, there and in its file.")
    return Finding(name, Level.OK, "Redis takes what is written, and throws nothing away.")


def check_clock(client: redis.Redis, postgresql: Callable[[], ServerClock]) -> Finding:
    """This machine, the broker and PostgreSQL agree on the time; schedules, countdowns and leases rest on it."""
    name = "clock"
    with redis_errors():
        seconds, micros = cast("tuple[int, int]", client.time())
    differ = {"the broker": time.time() - seconds - micros / 1e6}
    with suppress(StoreUnavailable):  # its own check tells; the broker's clock is still worth a word
        differ["PostgreSQL"] = time.time() - postgresql().at.timestamp()
    wrong = {server: by for server, by in differ.items() if abs(by) >= CLOCK_MAY_DIFFER}
    if wrong:
        said = " and ".join(f"{abs(by):.0f} s {'ahead of' if by > 0 else 'behind'} {one}" for one, by in wrong.items())
        detail = f"This machine's clock is {said}: schedules fire at the wrong time, countdowns are wrong."
        return Finding(name, Level.ERROR, detail, "Let all machines keep time by NTP: `timedatectl set-ntp true`.")
    return Finding(name, Level.OK, f"This machine agrees with {' and '.join(differ)}.")


def check_zones(postgresql: Callable[[], ServerClock]) -> Finding:
    """Who reads instants by other programs reads them in Taipei's time or in UTC; ours are Taipei's in any zone."""
    name, server = "time zone", postgresql()
    here = datetime.now().astimezone()
    offset = here.utcoffset()
    wrong, remedies = [], []
    if offset is not None and offset.total_seconds() not in (_UTC, _TAIPEI):
        wrong.append(f"this machine's is {here.tzname()}")
        remedies.append("`timedatectl set-timezone Asia/Taipei` (or TZ=Asia/Taipei)")
    if server.offset not in (_UTC, _TAIPEI):
        wrong.append(f"PostgreSQL's is {server.zone}")
        remedies.append("ALTER DATABASE … SET timezone = 'Asia/Taipei'")
    if wrong:
        detail = f"Neither Asia/Taipei nor UTC: {', '.join(wrong)}; cron and psql go by other days than ours."
        return Finding(
            name, Level.WARNING, detail, f"{' and '.join(remedies)}; our schedules keep Taipei's all the same."
        )
    return Finding(
        name, Level.OK, f"Of this machine {here.tzname()}, of PostgreSQL {server.zone}; of schedules Taipei's."
    )


def check_secret_files(files: Sequence[Path]) -> Finding:
    """What holds a password can be read by its owner only."""
    name = "secret files"
    there = [path for path in files if path.exists()]
    if open_ := [str(path) for path in there if path.stat().st_mode & 0o077]:
        detail = f"Others on this machine can read {', '.join(open_)}, which holds passwords."
        remedy = f"chmod 600 {' '.join(open_)}; if others use this machine, change the passwords, too."
        return Finding(name, Level.ERROR, detail, remedy)
    return Finding(name, Level.OK, f"{len(there)} files with secrets are for their owner only.")


def check_page(index: Path) -> Finding:
    """The console's page is built."""
    if index.is_file():
        return Finding("page", Level.OK, "The console's page is built.")
    detail = f"The console's page is not built: {index} is not there, and /admin answers with an error."
    return Finding("page", Level.ERROR, detail, "`make install` builds it, or `python3 tools/build_page.py`.")
