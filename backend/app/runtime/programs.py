"""The programs of the platform itself: sandbox exchange, worker, beat, web and Flower."""

from __future__ import annotations

import signal
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from app.runtime.layout import Layout
from app.runtime.ports import LOOPBACK, answers_http
from app.runtime.program import Program
from app.runtime.secret_file import kept_secret

CELERY = ("-m", "celery", "--quiet", "-A", "app.core.celery_app")
ROOT_IS_MEANT = "ignore:You're running the worker with superuser"
"""Who starts the platform as root knows it; what is served is on loopback."""


def sandbox(layout: Layout, port: int) -> Program:
    """The sandbox exchange on ``port``; the other programs find it by their settings."""
    return Program(
        name="sandbox",
        argv=[sys.executable, "-m", "app.sandbox", "--port", str(port)],
        environment=_environment(layout, {}),
        folder=layout.backend,
        ready=partial(answers_http, port, "/_health"),
        alive=partial(answers_http, port, "/_health"),
    )


def platform(layout: Layout, servers: Mapping[str, str]) -> list[Program]:
    """Worker, beat and web, with ``servers`` (addresses and secrets) in their environment, never in ``argv``."""
    worker, beat = _files(layout, "worker"), _files(layout, "beat")
    return [
        Program(
            name="worker",
            # -E: Flower shows nothing without events.
            argv=[sys.executable, *CELERY, "worker", "--loglevel", "INFO", "-E"],
            environment=_environment(layout, servers, **{name: str(file) for name, file in worker.items()}),
            folder=layout.backend,
            ready_file=worker["QUANTLAB_READY_FILE"],
            alive_file=worker["QUANTLAB_ALIVE_FILE"],
            # SIGTERM ends it after its tasks; SIGQUIT gives them back to the queue.
            hasten_signal=signal.SIGQUIT,
            # Its handlers print, and with the supervisor gone that raises before they have done anything; there is
            # no queue to give tasks back to either, for the servers end as well. Their messages come again
            # after the visibility time-out (see core/celery_app.py).
            orphan_signal=signal.SIGKILL,
            grace=15.0,
            ready_within=90.0,
        ),
        Program(
            name="beat",
            argv=[sys.executable, *CELERY, "beat", "--loglevel", "INFO", "--pidfile="],
            environment=_environment(layout, servers, **{name: str(file) for name, file in beat.items()}),
            folder=layout.backend,
            ready_file=beat["QUANTLAB_READY_FILE"],
            alive_file=beat["QUANTLAB_ALIVE_FILE"],
            ready_within=90.0,
        ),
        Program(
            name="web",
            argv=[sys.executable, "-m", "app.main"],
            environment=_environment(layout, servers, HOST=layout.host, PORT=str(layout.port)),
            folder=layout.backend,
            ready=partial(answers_http, layout.port, "/health", _reachable(layout.host)),
            alive=partial(answers_http, layout.port, "/health/live", _reachable(layout.host)),
            ready_within=90.0,
        ),
    ]


def flower(layout: Layout, servers: Mapping[str, str]) -> Program:
    """Flower behind a generated password (user ``quantlab``); by environment, for ``ps`` shows ``argv``."""
    password = kept_secret(layout.folder / "flower-password")
    return Program(
        name="flower",
        argv=[
            *(sys.executable, *CELERY, "flower", f"--address={LOOPBACK}", f"--port={layout.flower_port}"),
            *("--logging=error", "--max-tasks=5000"),
        ],
        environment=_environment(layout, servers, FLOWER_BASIC_AUTH=f"quantlab:{password}"),
        folder=layout.backend,
        ready=partial(answers_http, layout.flower_port, "/healthcheck"),
        alive=partial(answers_http, layout.flower_port, "/healthcheck"),
        optional=True,
        ready_within=90.0,
    )


def _files(layout: Layout, name: str) -> dict[str, Path]:
    """By which the program says that it serves, and that its main loop turns."""
    return {
        "QUANTLAB_READY_FILE": layout.folder / f"{name}.ready",
        "QUANTLAB_ALIVE_FILE": layout.folder / f"{name}.alive",
    }


def _environment(layout: Layout, servers: Mapping[str, str], **more: str) -> dict[str, str]:
    # Unbuffered, so that lines show when they are written and not kilobytes later.
    inherited = layout.environment
    warnings = ",".join(filter(None, [inherited.get("PYTHONWARNINGS"), ROOT_IS_MEANT]))
    return {**inherited, **servers, "PYTHONUNBUFFERED": "1", "PYTHONWARNINGS": warnings, **more}


def _reachable(host: str) -> str:
    """An address to ask for a server that binds ``host``."""
    return LOOPBACK if host in ("0.0.0.0", "::", "localhost", "") else host  # noqa: S104
