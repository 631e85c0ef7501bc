"""What can be pruned, and how: rows of tables, files, snapshots of exports, keys of Redis. Some at a time."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

from app.cache.client import redis_errors
from app.cache.keys import PREFIX, owner_of
from app.errors import AlreadyRunning
from app.export import publish
from app.files import LocalFiles, Written
from app.services.context import Context
from app.store import old_rows
from app.store.engine import transaction
from app.store.old_rows import Extent

RESULT_PREFIX = "celery-task-meta-"
QUOTES = "mis"
"""The site whose replies are of the moment; those of the others rebuild the tables."""
_REPLY = 5
"""Parts of the path of a reply, and of its note."""
_AT_ONCE = {"runs": 1_000}
_ROWS, _FILES = 10_000, 1_000
"""What one step removes: a lock is short, and a pause near."""


@dataclass(frozen=True, slots=True)
class Keep:
    """How long what is kept: the settings of the same names."""

    celery_result_expires: int
    archive_quote_days: int
    archive_days: int | None
    log_days: int
    log_lines: int
    reading_days: int
    quantlab_audit_days: int
    run_days: int
    incident_days: int
    export_keep: int


@dataclass(frozen=True, slots=True)
class Kind:
    """Something that is kept for a while: *what* it is, and the *settings* that say for how long; none need none."""

    what: str
    settings: tuple[str, ...]
    look: Callable[[Context, Keep], Extent]
    remove: Callable[[Context, Keep], Iterator[int]]
    """Some at a time; yields how many."""


def _days(context: Context, days: int) -> datetime:
    return context.clock() - timedelta(days=days)


# Rows


def rows(table: str, what: str, setting: str, *, most: str | None = None) -> Kind:
    """Rows of a table that are older than *setting* says, and those beyond the newest so many."""

    def limits(context: Context, keep: Keep) -> dict[str, Any]:
        return {
            "before": _days(context, getattr(keep, setting)),
            "most": None if most is None else getattr(keep, most),
        }

    return _by(table, what, tuple(filter(None, (setting, most))), limits)


def rows_over(table: str, what: str, after: timedelta = timedelta()) -> Kind:
    """Rows of a table that are of no use any more so long afterwards."""
    return _by(table, what, (), lambda context, _: {"before": context.clock() - after})


def _by(table: str, what: str, settings: tuple[str, ...], limits: Callable[[Context, Keep], dict[str, Any]]) -> Kind:
    at_once = _AT_ONCE.get(table, _ROWS)

    def look(context: Context, keep: Keep) -> Extent:
        with transaction(context.engine) as connection:
            return old_rows.look(connection, table, **limits(context, keep))

    def remove(context: Context, keep: Keep) -> Iterator[int]:
        while True:
            with transaction(context.engine) as connection:
                some = old_rows.remove(connection, table, **limits(context, keep), at_once=at_once)
            yield some
            if some < at_once:
                return

    return Kind(what, settings, look, remove)


# Files


def files(what: str, setting: str, find: Callable[[Context, Keep], Iterable[Written]], *, here: bool = False) -> Kind:
    """Files that *find* says may go: of the archive, or of this machine's folder."""

    def look(context: Context, keep: Keep) -> Extent:
        found = list(find(context, keep))
        ages = [one.at for one in found]
        return Extent(len(found), sum(one.bytes for one in found), min(ages, default=None), max(ages, default=None))

    def remove(context: Context, keep: Keep) -> Iterator[int]:
        found = [one.path for one in find(context, keep)]
        files = LocalFiles(context.data_dir) if here else context.archived
        for start in range(0, len(found), _FILES):
            some = found[start : start + _FILES]
            files.remove(some)
            yield len(some)

    return Kind(what, (setting,), look, remove)


def quotes(context: Context, keep: Keep) -> Iterable[Written]:
    """Replies of the moment."""
    return context.archived.written_before(QUOTES, _days(context, keep.archive_quote_days))


def replies(context: Context, keep: Keep) -> Iterable[Written]:
    """Of whole months: a reply and its note stand in the folder of one, <site>/<dataset>/<year>/<month>."""
    if keep.archive_days is None:
        return
    oldest, root = _days(context, keep.archive_days).astimezone(UTC), context.archived.root
    for one in context.archived.written_before("", oldest):
        parts = one.path.relative_to(root).parts
        if len(parts) == _REPLY and parts[0] != QUOTES and parts[2:4] < (f"{oldest:%Y}", f"{oldest:%m}"):
            yield one


def log_files(context: Context, keep: Keep) -> Iterable[Written]:
    """Those of days that are over for so long."""
    old = LocalFiles(context.data_dir).written_before("logs", _days(context, keep.log_days))
    return (one for one in old if one.path.suffix == ".jsonl")


def _exports(context: Context, keep: Keep) -> Iterator[tuple[Path, list[Path]]]:
    """Folder of a kind of export → what of it is not kept."""
    for root in sorted((context.data_dir / "exports").glob("*/")):
        yield root, publish.not_kept(root, keep=keep.export_keep)


def look_at_exports(context: Context, keep: Keep) -> Extent:
    """Snapshots that another setting of EXPORT_KEEP left; the next export would remove them, too."""
    found = [path for _, paths in _exports(context, keep) for path in paths]
    files = [file.stat() for path in found for file in path.rglob("*") if file.is_file()]
    ages = [datetime.fromtimestamp(path.stat().st_mtime, UTC) for path in found]
    size = sum(one.st_size for one in files)
    return Extent(len(found), size, min(ages, default=None), max(ages, default=None))


def remove_exports(context: Context, keep: Keep) -> Iterator[int]:
    """Those, and what is half made; of a kind of which one is being built now, nothing."""
    for root, _ in _exports(context, keep):
        with contextlib.suppress(AlreadyRunning), publish.exclusive(root):  # which clears what is half made
            yield publish.remove_old(root, keep=keep.export_keep)


# Redis


def _keys(context: Context, pattern: str) -> Iterator[str]:
    with redis_errors():
        for key in context.redis.scan_iter(match=pattern, count=1000):
            yield key.decode() if isinstance(key, bytes) else str(key)


def _lives_for_ever(context: Context, key: str) -> bool:
    with redis_errors():
        life: Any = context.redis.ttl(key)
    return int(life) == -1


def orphans(context: Context) -> list[str]:
    """Keys under our prefix that the key table does not know, or that lost their life."""
    return [key for key in _keys(context, f"{PREFIX}*") if owner_of(key) is None or _lives_for_ever(context, key)]


def eternal(context: Context) -> list[str]:
    """Results that have no life, written by another configuration."""
    return [key for key in _keys(context, f"{RESULT_PREFIX}*") if _lives_for_ever(context, key)]


def remove_orphans(context: Context, _: Keep) -> Iterator[int]:
    """They go."""
    for key in orphans(context):
        with redis_errors():
            yield cast("int", context.redis.unlink(key))


def bound_results(context: Context, keep: Keep) -> Iterator[int]:
    """They are given a life, and end when others do."""
    for key in eternal(context):
        with redis_errors():
            yield cast("int", context.redis.expire(key, keep.celery_result_expires))
