"""What is changed from the command line stands in the audit, under the operating system's user."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from app.core.wiring import get_platform
from app.services import audited
from app.services.audited import Row
from app.services.identity import local_user, operator

if TYPE_CHECKING:
    from app.core.queue import Started


@contextmanager
def change(action: str, subject: str, *, before: Mapping[str, Any] | None = None) -> Iterator[Row]:
    """The block makes a change, of which the audit has a row; see ``services.audited.change``."""
    with audited.change(get_platform().engine, operator(local_user()), action, subject, before=before) as row:
        yield row


def start_task(name: str, parameters: Mapping[str, Any], *, force: bool = False) -> Started:
    """Queue a run by hand; raises as ``core.queue.start_task`` does."""
    from app.core import queue  # noqa: PLC0415 - it brings Celery, for which who only changes a row does not wait

    task = queue.full_name(name)
    with change("run.start", task) as row:
        started = queue.start_task(task, parameters, trigger="manual", force=force)
        row.after = {"run": started.id, "new": started.new, "parameters": dict(parameters)}
    return started
