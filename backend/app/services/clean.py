"""Remove what has outlived its purpose, and say how many. Never queued work."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any, cast

from app.cache.client import redis_errors
from app.cache.keys import PREFIX, owner_of
from app.services.context import Context
from app.services.keep_logs import remove_old_lines
from app.services.report import Report
from app.store import audit, readings
from app.store.counts import Counts
from app.store.engine import transaction

RESULT_PREFIX = "celery-task-meta-"

RemoveOld = Callable[..., int]
"""Of a table: takes the connection and the instant *before* which rows go; says how many those were."""


def clean(
    context: Context,
    *,
    result_seconds: int,
    quote_days: int,
    log_days: int,
    log_lines: int,
    reading_days: int,
    audit_days: int,
) -> Report:
    """Remove orphan keys of ours, results without a life, what is old of quote replies, readings and audit, and logs.

    Keys that Redis expires by itself need no help; this finds those that would stay for ever. Raw replies other than
    quotes stay, for they rebuild the tables.
    """
    steps: dict[str, Callable[[], int]] = {
        "orphan_keys": lambda: _remove_orphans(context),
        "results_without_expiry": lambda: _bound_results(context, result_seconds),
        "old_quote_replies": lambda: context.archived.remove_before(
            "mis", context.clock() - timedelta(days=quote_days)
        ),
        "old_logs": lambda: _remove_log_files(context, log_days),
        "old_log_lines": lambda: remove_old_lines(
            context.engine, before=context.clock() - timedelta(days=log_days), most=log_lines
        ),
        "old_readings": lambda: _remove_rows(context, readings.remove_old, reading_days),
        "old_audit_rows": lambda: _remove_rows(context, audit.remove_old, audit_days),
        "half_made_exports": lambda: _remove_half_made(context),
    }
    removed: dict[str, int] = {}
    for number, (name, step) in enumerate(steps.items()):
        context.progress(number, len(steps), name)
        removed[name] = step()
    context.progress(len(steps), len(steps), "done")
    return Report(counts=Counts(stored=sum(removed.values())), details={"removed": removed})


def _keys(context: Context, pattern: str) -> Iterator[str]:
    with redis_errors():
        for key in context.redis.scan_iter(match=pattern, count=1000):
            yield key.decode() if isinstance(key, bytes) else str(key)


def _lives_for_ever(context: Context, key: str) -> bool:
    with redis_errors():
        life: Any = context.redis.ttl(key)
    return int(life) == -1


def _remove_orphans(context: Context) -> int:
    """Keys under our prefix that the key table does not know, or that lost their life."""
    orphans = [key for key in _keys(context, f"{PREFIX}*") if owner_of(key) is None or _lives_for_ever(context, key)]
    with redis_errors():
        return sum(cast("int", context.redis.unlink(key)) for key in orphans)


def _bound_results(context: Context, seconds: int) -> int:
    """Give a life to results that have none (written by another configuration): they end when others do."""
    eternal = [key for key in _keys(context, f"{RESULT_PREFIX}*") if _lives_for_ever(context, key)]
    with redis_errors():
        return sum(cast("int", context.redis.expire(key, seconds)) for key in eternal)


def _remove_log_files(context: Context, days: int) -> int:
    oldest = (context.clock() - timedelta(days=days)).timestamp()
    files = (path for path in (context.data_dir / "logs").rglob("*.jsonl") if path.is_file())
    old = [path for path in files if path.stat().st_mtime < oldest]
    for path in old:
        path.unlink(missing_ok=True)
    return len(old)


def _remove_rows(context: Context, remove: RemoveOld, days: int) -> int:
    with transaction(context.engine) as connection:
        return remove(connection, before=context.clock() - timedelta(days=days))


def _remove_half_made(context: Context) -> int:
    """Exports that were being built when their process died, a day ago or more."""
    oldest = (context.clock() - timedelta(days=1)).timestamp()
    left = [path for path in (context.data_dir / "exports").glob("*/.building-*") if path.stat().st_mtime < oldest]
    for path in left:
        shutil.rmtree(path, ignore_errors=True)
    return len(left)
