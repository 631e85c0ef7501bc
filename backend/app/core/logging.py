"""Logs: loguru to the terminal and to one JSON file a day; every line carries run id and task name.

``services/keep_logs.py`` reads the files: the keys of a line are its columns.
"""

from __future__ import annotations

import inspect
import json
import logging
import os
import socket
import sys
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from loguru import logger

from app.market.calendar import TAIPEI

if TYPE_CHECKING:
    from loguru import Message, Record


_QUIETER = {
    "httpx": logging.WARNING,
    "httpcore": logging.WARNING,
    "alembic.runtime.plugins": logging.WARNING,
    # The base task says when a run starts, how it ends and why it failed, with its id in each line.
    "celery.worker.strategy": logging.WARNING,
    "celery.app.trace": logging.CRITICAL,
    # A collector that is away would be told of several times a minute; core/otlp.py says it once.
    "opentelemetry": logging.CRITICAL,
}


_ON_THEIR_OWN = ("uvicorn", "uvicorn.error")
"""Loggers that print by themselves unless told otherwise: the traceback of a broken reply would stand in no log.

uvicorn.access is left as uvicorn has it, silent by --no-access-log: an open page asks every few seconds."""


def _terminal_format(record: Record) -> str:
    # Taipei's time, as in every other place that a person reads.
    record["extra"]["clock"] = record["time"].astimezone(TAIPEI).strftime("%m-%d %H:%M:%S")
    record["extra"]["short"] = record["extra"]["task"].removeprefix("app.tasks.")
    run = "<magenta>{extra[short]} {extra[run]:.8}</magenta> " if record["extra"].get("run") else ""
    return "<dim>{extra[clock]}</dim> <level>{level:<7}</level> " + run + "{message} <dim>{name}</dim>\n{exception}"


class _DailyFile:
    """A file a day that many processes append to: each line is one write to an O_APPEND file, so none are torn.

    Rotation by name needs no renaming and no lock, which a killed process could leave held.
    """

    def __init__(self, folder: Path, program: str) -> None:
        self._folder = folder
        self._program = program
        self._host = socket.gethostname()
        self._day = ""
        self._descriptor = -1

    def __call__(self, message: Message) -> None:
        day = datetime.now(UTC).strftime("%Y-%m-%d")
        if day != self._day:
            if self._descriptor >= 0:
                os.close(self._descriptor)
            path = self._folder / f"quantlab-{day}.jsonl"
            self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
            self._day = day
        os.write(self._descriptor, self._line(message).encode(errors="backslashreplace"))  # whatever an error quotes

    def _line(self, message: Message) -> str:
        record = message.record
        said = {
            "at": record["time"].astimezone(UTC).isoformat(),
            "level": record["level"].no,
            "host": self._host,
            "program": self._program,
            "pid": record["process"].id,
            "task": record["extra"].get("task") or None,
            "run_id": record["extra"].get("run") or None,
            "module": record["name"] or "",
            "message": record["message"],
            "traceback": str(message).strip() or None,  # the sink's format is the exception alone
        }
        return json.dumps(said, ensure_ascii=False) + "\n"


class _ToLoguru(logging.Handler):
    """Passes the standard library's records (Celery, SQLAlchemy, uvicorn) on to loguru."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            level: str | int = logger.level(record.levelname).name
        except ValueError:
            level = record.levelno
        frame, depth = inspect.currentframe(), 0
        while frame and (depth == 0 or frame.f_code.co_filename == logging.__file__):
            frame, depth = frame.f_back, depth + 1
        logger.opt(depth=depth, exception=record.exc_info).log(level, record.getMessage())


class _OnceAMinute(logging.Filter):
    """asyncio says thousands of times a second that there is no descriptor for one more connection."""

    _last = float("-inf")

    def filter(self, record: logging.LogRecord) -> bool:
        if not record.getMessage().startswith("socket.accept() out of system resource"):
            return True
        if monotonic() < self._last + 60:
            return False
        self._last = monotonic()
        return True


_once_a_minute = _OnceAMinute()


def _is_worth_a_line(record: logging.LogRecord) -> bool:
    """Not that a page opened its live connection, nor Celery's advice against what core/celery_app.py chose."""
    said = record.getMessage()
    if record.name == "uvicorn.error" and record.levelno <= logging.INFO:
        return not (said.startswith("connection ") or ' - "WebSocket ' in said)
    return not (record.name == "py.warnings" and "worker_cancel_long_running_tasks_on_connection_loss" in said)


def configure_logging(level: str, *, folder: Path | None = None, program: str = "quantlab") -> None:
    """Send everything to the terminal and, with *folder*, to JSON files there as *program*. May be called again."""
    logger.remove()
    logger.configure(extra={"run": "", "task": ""})
    # diagnose=False: a traceback must not print the values of variables, which may be secrets.
    logger.add(sys.stderr, level=level, format=_terminal_format, backtrace=False, diagnose=False)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        logger.add(
            _DailyFile(folder, program), level=level, format=lambda _: "{exception}", backtrace=False, diagnose=False
        )
    through = _ToLoguru()
    through.addFilter(_is_worth_a_line)
    logging.basicConfig(handlers=[through], level=logging.INFO, force=True)
    for name in _ON_THEIR_OWN:
        theirs = logging.getLogger(name)
        theirs.handlers.clear()
        theirs.propagate = True
    logging.getLogger("asyncio").addFilter(_once_a_minute)
    for name, least in _QUIETER.items():
        logging.getLogger(name).setLevel(least)
