"""What Celery tells us: logging to set up, a message about to be sent, a process that was forked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from celery import Celery, Task, signals
from loguru import logger

from app.core.config import get_settings
from app.core.logging import configure_logging
from app.errors import QuantLabError, Revoked

if TYPE_CHECKING:
    from app.ops.runs import RunLedger

_TASKS = "app.tasks."


def _ledger() -> RunLedger:
    from app.core.wiring import get_platform  # noqa: PLC0415 - see connect_signals

    return get_platform().ledger


@contextmanager
def _at_best_effort(run_id: str) -> Iterator[None]:
    """Celery goes on whatever a receiver does; what could not be written down is at least in the log."""
    try:
        yield
    except QuantLabError as error:
        logger.error("The end of the run {} could not be written down: {}", run_id, error)


def connect_signals(app: Celery) -> None:
    """Listen. The receivers are kept alive here (``weak=False``)."""

    def _set_up_logging(**_: Any) -> None:
        settings = get_settings()
        configure_logging(settings.log_level, folder=settings.data_dir / "logs" / "json")

    # The wiring (database, exchanges) is imported when it is needed: `inspect` and `status` need none of it.
    def _after_fork(**_: Any) -> None:
        from app.core.wiring import reset_platform  # noqa: PLC0415

        # Connections of the parent must not be used by its children.
        reset_platform()

    def _tell_supervisor(**_: Any) -> None:
        ready_file = get_settings().quantlab_ready_file
        if ready_file:
            ready_file.touch()

    def _before_publish(sender: str = "", body: Any = None, headers: dict[str, Any] | None = None, **_: Any) -> None:
        headers = headers or {}
        if not sender.startswith(_TASKS) or headers.get("retries"):
            return
        app.loader.import_default_modules()
        args, kwargs = body[0], body[1]
        parameters = app.tasks[sender].named_parameters(args, kwargs)
        try:
            _ledger().queued(
                str(headers["id"]), task=sender, parameters=parameters, trigger=headers.get("trigger", "manual")
            )
        except QuantLabError as error:
            # The message is what counts; the worker writes the run down when it starts.
            logger.warning("The run {} is queued but not yet in the ledger: {}", headers["id"], error)

    def _on_failure(
        sender: Any = None, task_id: str = "", exception: BaseException | None = None, einfo: Any = None, **_: Any
    ) -> None:
        # Also sent by the worker's main process, for a child that was killed or hit its hard limit. What the child
        # wrote down itself stays as it is.
        if not isinstance(sender, Task) or not sender.name.startswith(_TASKS) or exception is None:
            return
        with _at_best_effort(task_id):
            text = str(einfo.traceback) if einfo else None
            if _ledger().failed(task_id, error=exception, traceback=text):
                logger.error("{} {} FAILED {}: {}", sender.name, task_id, type(exception).__name__, exception)

    def _on_revoked(sender: Any = None, request: Any = None, terminated: bool = False, **_: Any) -> None:
        if not isinstance(sender, Task) or not sender.name.startswith(_TASKS) or request is None:
            return
        with _at_best_effort(request.id):
            if terminated:
                _ledger().failed(request.id, error=Revoked("An operator ended it while it ran."), traceback=None)
            else:
                _ledger().finished(request.id, state="SKIPPED", reason="An operator revoked it before it began.")

    signals.task_failure.connect(_on_failure, weak=False)
    signals.task_revoked.connect(_on_revoked, weak=False)
    signals.setup_logging.connect(_set_up_logging, weak=False)
    signals.worker_process_init.connect(_after_fork, weak=False)
    signals.worker_ready.connect(_tell_supervisor, weak=False)
    signals.beat_init.connect(_tell_supervisor, weak=False)
    signals.before_task_publish.connect(_before_publish, weak=False)
