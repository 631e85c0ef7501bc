"""How a task's message is sent: the run is written down and committed first, and what cannot be sent waits there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import redis
from celery import Celery
from celery.result import denied_join_result
from celery.utils import uuid
from celery.utils.time import maybe_iso8601
from kombu.exceptions import OperationalError
from loguru import logger

from app import spans
from app.core.config import get_settings
from app.errors import InvalidParameter
from app.store.runs import Run

OURS = "app.tasks."
"""What begins so has its runs in the ledger."""

CANVAS = ("link", "link_error", "chord", "chain", "group_id")
"""Options of a task that is part of a larger flow: it cannot be answered with a run that is no part of it."""

ONE_MORE_TRY = {"max_retries": 1, "interval_start": 0, "interval_step": 0.1, "interval_max": 0.1}
"""The outbox tries later; one more try mends a connection that went stale, no more."""

BROKER_AWAY = (OperationalError, redis.RedisError, OSError)

CAPS = {"backfill": get_settings().backfill_at_once}
"""Queue → the most of its runs that are on their way or under way at once: the other slots are for fresh data."""


def send(
    app: Celery,
    publish: Callable[..., Any],
    name: str,
    *,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    options: dict[str, Any],
) -> Any:
    """Write the run down, then send its message with *publish*; returns the result object of the run.

    The run is another one's when the same task with the same parameters is under way, unless the header ``force``
    is set. What is due later, or has no slot yet, is left to the outbox, and so is what the broker does not take.

    Raises:
        StoreUnavailable: PostgreSQL does not answer; nothing was queued.
        InvalidParameter: it is part of a chain or chord and cannot be sent at once; nothing was queued.
    """
    from app.core.wiring import get_platform  # noqa: PLC0415 - `inspect` and `status` need no database

    headers = options["headers"] = dict(options.get("headers") or {})
    run_id = options.pop("task_id", None) or uuid()
    queue, priority = _place(app, name, options)
    options["priority"] = priority
    parameters = app.tasks[name].canonical_parameters(args, kwargs)
    after = _instant(options.pop("eta", None), options.pop("countdown", None))
    expires_at = _instant(options.get("expires"), None)
    options.pop("expires", None)  # the broker would drop the message without a word
    at_once = (after is None or after <= datetime.now(UTC)) and queue not in CAPS
    if not at_once and any(options.get(key) for key in CANVAS):
        raise InvalidParameter(
            f"{name} is sent from the ledger when its time or slot has come, which knows no links, chains or chords; "
            "start it by itself."
        )
    ledger = get_platform().ledger
    fulfils = ledger.queued(
        run_id,
        task=name,
        parameters=parameters,
        trigger=headers.setdefault("trigger", "manual"),
        queue=queue,
        priority=priority,
        run_after=after,
        expires_at=expires_at,
        forced=bool(headers.get("force")) or any(options.get(key) for key in CANVAS),
        sent=at_once,
        retry_of=headers.get("retry_of"),
    )
    spans.note({"quantlab.run_id": fulfils, "quantlab.task": name.removeprefix(OURS)})
    if fulfils != run_id:
        logger.info("{} with these parameters is under way as {}", name, fulfils)
    elif at_once:
        try:
            # We follow runs in the ledger. Without this each start would subscribe to its result for ever, and
            # try twenty times to do so while Redis is away.
            with denied_join_result():
                publish(name, kwargs=parameters, task_id=run_id, **{"retry_policy": ONE_MORE_TRY, **options})
        except BROKER_AWAY as error:
            ledger.not_sent(run_id)
            logger.warning("{} {} waits until the broker answers: {}", name, run_id, error)
    return app.AsyncResult(fulfils)


def publish_run(publish: Callable[..., Any], run: Run) -> None:
    """Send the message of a run that is written down. Raises what the broker raises."""
    options = {"queue": run.queue, "priority": run.priority}
    with denied_join_result():
        publish(
            run.task,
            kwargs=dict(run.parameters),
            task_id=run.id,
            retries=run.retries,
            headers={"trigger": run.trigger},
            retry_policy=ONE_MORE_TRY,
            **{key: value for key, value in options.items() if value is not None},
        )


def _place(app: Celery, name: str, options: Mapping[str, Any]) -> tuple[str, int]:
    """The queue and priority that the message will have."""
    route = (app.conf.task_routes or {}).get(name, {})
    queue = options.get("queue") or route.get("queue")
    priority = options.get("priority")
    if priority in (None, app.conf.task_default_priority):
        # Celery gives each call the default as if somebody had asked for it, which would hide the route's.
        priority = route.get("priority", app.conf.task_default_priority)
    return str(getattr(queue, "name", queue) or app.conf.task_default_queue), priority


def _instant(at: datetime | str | float | None, seconds: float | None) -> datetime | None:
    """An aware instant, of what Celery takes as eta, countdown and expires."""
    if isinstance(at, int | float):
        at, seconds = None, at
    if seconds is not None:
        return datetime.now(UTC) + timedelta(seconds=seconds)
    instant: datetime | None = maybe_iso8601(at)
    return instant if instant is None or instant.tzinfo else instant.replace(tzinfo=UTC)
