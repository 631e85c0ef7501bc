"""What Celery tells us: logging to set up, a message about to be sent, a process that was forked."""

from __future__ import annotations

from typing import Any

from celery import Celery, signals
from loguru import logger

from app.core.config import get_settings
from app.core.logging import configure_logging
from app.errors import QuantLabError

_TASKS = "app.tasks."


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
        from app.core.wiring import get_platform  # noqa: PLC0415

        app.loader.import_default_modules()
        args, kwargs = body[0], body[1]
        parameters = app.tasks[sender].named_parameters(args, kwargs)
        try:
            get_platform().ledger.queued(
                str(headers["id"]), task=sender, parameters=parameters, trigger=headers.get("trigger", "manual")
            )
        except QuantLabError as error:
            # The message is what counts; the worker writes the run down when it starts.
            logger.warning("The run {} is queued but not yet in the ledger: {}", headers["id"], error)

    signals.setup_logging.connect(_set_up_logging, weak=False)
    signals.worker_process_init.connect(_after_fork, weak=False)
    signals.worker_ready.connect(_tell_supervisor, weak=False)
    signals.beat_init.connect(_tell_supervisor, weak=False)
    signals.before_task_publish.connect(_before_publish, weak=False)
