"""Remove what has outlived its purpose, and say how much. Never queued work, never the data.

KINDS is the list: the task ``cleanup_old_cache`` does all of it at night, ``quantlab prune`` shows and does it now.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta

from app.errors import ConfigurationError, InvalidParameter
from app.market.sayings import say
from app.services import prunable
from app.services.context import Context
from app.services.prunable import Keep, Kind, files, rows, rows_over
from app.services.report import Report
from app.store import login_failures
from app.store.engine import transaction
from app.store.old_rows import Extent
from app.store.schedules import instant

FAR_APART = timedelta(hours=1)
"""Far less than the shortest time for which anything is kept."""

KINDS: Mapping[str, Kind] = {
    "keys": Kind(
        "cache keys that nobody owns, or that would stay for ever",
        (),
        lambda context, _: Extent(len(prunable.orphans(context)), None),
        prunable.remove_orphans,
    ),
    "results": Kind(
        "results in Redis that would stay for ever; they get a life",
        ("celery_result_expires",),
        lambda context, _: Extent(len(prunable.eternal(context)), None),
        prunable.bound_results,
    ),
    "quotes": files("raw replies of quotes", "archive_quote_days", prunable.quotes),
    "replies": files("raw replies of everything else", "archive_days", prunable.replies),
    "log_files": files("log files of this machine", "log_days", prunable.log_files, here=True),
    "log_lines": rows("log_lines", "lines of the logs in PostgreSQL", "log_days", most="log_lines"),
    "readings": rows("readings", "readings of memory, queues and disk", "reading_days"),
    "audit": rows("audit", "rows of the audit", "quantlab_audit_days"),
    "runs": rows("runs", "runs that ended, with their units", "run_days"),
    "incidents": rows("incidents", "incidents that are over", "incident_days"),
    "logins": rows_over("web_sessions", "logins that are over"),
    "login_failures": rows_over(
        "login_failures", "failed logins that are forgotten", after=login_failures.FORGOTTEN_AFTER
    ),
    "exports": Kind(
        "snapshots of exports beyond the newest, and half-made ones",
        ("export_keep",),
        prunable.look_at_exports,
        prunable.remove_exports,
    ),
}
"""What is pruned, by the name that `quantlab prune --only` takes."""


def clean(context: Context, keep: Keep, *, only: Collection[str] = ()) -> Report:
    """Remove what may go, of every kind or of *only* some.

    Raises InvalidParameter for one that there is not, and as ``require_right_clock``; then nothing is removed.
    """
    kinds = chosen(only)
    require_right_clock(context)
    removed: dict[str, int] = {}
    for number, (name, kind) in enumerate(kinds.items()):
        context.progress(number, len(kinds), name)
        removed[name] = 0
        for some in kind.remove(context, keep):
            removed[name] += some
            context.pause_point()
    context.progress(len(kinds), len(kinds), "")
    some_went = {name: number for name, number in removed.items() if number}
    listed = ", ".join(f"{name} {number:,}" for name, number in some_went.items())
    reason = say("removed", count=sum(some_went.values()), kinds=listed) if some_went else say("nothing_old")
    return Report(reason=reason, details={"removed": removed})


def require_right_clock(context: Context) -> None:
    """Raise ConfigurationError where this host's clock is far from PostgreSQL's.

    By a clock that runs ahead everything is old, and what it removes is gone for good.
    """
    with transaction(context.engine) as connection:
        apart = abs(datetime.now(UTC) - instant(connection))
    if apart > FAR_APART:
        raise ConfigurationError(
            f"This machine's clock and PostgreSQL's are {apart.total_seconds() / 3600:,.1f} hours apart, and what is "
            "old is told by it: nothing was removed. Let both keep time by NTP: `timedatectl set-ntp true`."
        )


def chosen(only: Collection[str]) -> Mapping[str, Kind]:
    """The kinds of those names; all, when none is named."""
    if unknown := [name for name in only if name not in KINDS]:
        raise InvalidParameter(f"There is nothing named {unknown[0]!r} to prune; there are {', '.join(KINDS)}.")
    return {name: kind for name, kind in KINDS.items() if not only or name in only}
