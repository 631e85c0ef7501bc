"""What Celery tells us: logging to set up, a process that was forked, a child that died, a worker that stops."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from celery import Task, signals
from celery.concurrency.prefork import TaskPool as ProcessPool
from celery.exceptions import TimeLimitExceeded, WorkerLostError
from loguru import logger

from app.core.config import get_settings
from app.core.logging import configure_logging
from app.core.sending import OURS
from app.core.stopping import ask_to_stop
from app.core.tracing import Program, check_tracing, start_tracing, stop_tracing
from app.errors import ConfigurationError, QuantLabError
from app.ops.scheduler import LedgerScheduler

if TYPE_CHECKING:
    from app.core.caretaker import Caretaker
    from app.ops.runs import RunLedger


_MANY = 20_000
"""Objects: more than a worker makes and drops as it goes, fewer than an import brings."""


def _ledger() -> RunLedger:
    from app.core.wiring import get_platform  # noqa: PLC0415 - see connect_signals

    return get_platform().ledger


def _caretaker(*, in_beat: bool = False) -> Caretaker:
    from app.core.caretaker import Caretaker, beat_duties, ledger_duties, worker_duties  # noqa: PLC0415
    from app.core.wiring import get_platform  # noqa: PLC0415

    platform = get_platform()
    return Caretaker([*ledger_duties(platform), *(beat_duties if in_beat else worker_duties)(platform)])


@contextmanager
def _at_best_effort(run_id: str) -> Iterator[None]:
    """Celery goes on whatever a receiver does; what could not be written down is at least in the log."""
    try:
        yield
    except QuantLabError as error:
        logger.error("The end of the run {} could not be written down: {}", run_id, error)


def _trace(program: Program | None) -> None:
    """Begin to trace; None: only see that it can be done. Celery goes on after all else that a receiver raises."""
    try:
        if program:
            start_tracing(program)
        else:
            check_tracing()
    except ConfigurationError as error:
        raise SystemExit(str(error)) from None


def _import_what_tasks_need(**_: Any) -> None:
    """As a worker begins, of any pool: not in each child anew, and not from code that has changed since."""
    from app.core import exchanges  # noqa: F401, PLC0415 - wiring does when a task asks for it


def _set_aside_what_stays(**_: Any) -> None:
    """Before a worker forks a child, keep what was imported out of garbage collections, here and in the child.

    Celery collects before each fork: with all that the platform imports that took longer than the fork, and in a child
    it copies every page that it looks at. Not each time: what is set aside is never collected, whatever becomes of it.
    """
    if len(gc.get_objects()) > _MANY:
        gc.collect()
        gc.freeze()


def _connect_tracing() -> None:
    def _trace_in_one_process(sender: Any = None, **_: Any) -> None:
        # A pool of threads; processes begin by themselves, and what forks them shall have no thread more than it needs.
        if not isinstance(sender.pool, ProcessPool):
            _trace("worker")

    signals.worker_init.connect(lambda **_: _trace(None), weak=False)
    signals.worker_process_init.connect(lambda **_: _trace("worker"), weak=False)
    signals.beat_init.connect(lambda **_: _trace("beat"), weak=False)
    signals.worker_ready.connect(_trace_in_one_process, weak=False)
    signals.worker_process_shutdown.connect(lambda **_: stop_tracing(), weak=False)


def connect_signals() -> None:
    """Listen. The receivers are kept alive here (``weak=False``)."""

    def _set_up_logging(**_: Any) -> None:
        settings = get_settings()
        program = next((word for word in ("worker", "beat") if word in sys.argv), "celery")
        configure_logging(settings.log_level, folder=settings.log_folder, program=program)

    # The wiring (database, exchanges) is imported when it is needed: `inspect` and `status` need none of it.
    def _after_fork(**_: Any) -> None:
        from app.core.wiring import reset_platform  # noqa: PLC0415

        # Connections of the parent must not be used by its children.
        reset_platform()

    def _tell_supervisor(**_: Any) -> None:
        ready_file = get_settings().quantlab_ready_file
        if ready_file:
            ready_file.touch()

    def _on_failure(
        sender: Any = None, task_id: str = "", exception: BaseException | None = None, einfo: Any = None, **_: Any
    ) -> None:
        # For what only the worker's main process sees: a child that was killed, or hit its hard time limit. What a
        # child could write down itself it has written.
        if not isinstance(sender, Task) or not sender.name.startswith(OURS) or exception is None:
            return
        worker = sender.request.hostname or ""
        with _at_best_effort(task_id):
            if isinstance(exception, WorkerLostError):
                if _ledger().dropped(task_id, worker=worker):
                    logger.error("{} {}: its process died: {}", sender.name, task_id, exception)
            elif isinstance(exception, TimeLimitExceeded):
                text = str(einfo.traceback) if einfo else None
                if _ledger().failed(task_id, worker=worker, error=exception, traceback=text):
                    logger.error("{} {} FAILED {}: {}", sender.name, task_id, type(exception).__name__, exception)

    def _on_revoked(sender: Any = None, request: Any = None, terminated: bool = False, **_: Any) -> None:
        if not isinstance(sender, Task) or not sender.name.startswith(OURS) or request is None:
            return
        when = "ended it while it ran" if terminated else "revoked it before it began"
        with _at_best_effort(request.id):
            _ledger().cancelled(request.id, reason=f"An operator {when}.")

    def _take_care_in_worker(**_: Any) -> None:
        _caretaker().start(forks=True)

    def _take_care_in_beat(sender: Any = None, **_: Any) -> None:
        from app.core.watching import watch_beat  # noqa: PLC0415

        watch_beat(sender.scheduler)  # first: it says how long beat waits for a server
        caretaker = _caretaker(in_beat=True)
        if isinstance(sender.scheduler, LedgerScheduler):
            sender.scheduler.outbox = partial(caretaker.wake, "outbox")
        caretaker.start()

    _connect_tracing()
    signals.worker_ready.connect(_take_care_in_worker, weak=False)
    signals.beat_init.connect(_take_care_in_beat, weak=False)
    signals.task_failure.connect(_on_failure, weak=False)
    signals.task_revoked.connect(_on_revoked, weak=False)
    signals.setup_logging.connect(_set_up_logging, weak=False)
    signals.worker_init.connect(_import_what_tasks_need, weak=False)
    signals.worker_before_create_process.connect(_set_aside_what_stays, weak=False)
    signals.worker_process_init.connect(_after_fork, weak=False)
    signals.worker_ready.connect(_tell_supervisor, weak=False)
    signals.beat_init.connect(_tell_supervisor, weak=False)
    signals.worker_shutting_down.connect(lambda **_: ask_to_stop(), weak=False)
