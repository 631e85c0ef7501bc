"""The lines of all programs: merged on the terminal, and a rotated file for each."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import TextIO

from app.shown import harmless

OURS = "quantlab"
COLOURS = (36, 33, 35, 34, 32, 96, 93, 95)
FILE_BYTES, FILES_KEPT = 5_000_000, 4
LONGEST_LINE = 1_000_000
TAIL = 30


class MergedLog:
    """Prefixes each line with its program's name, aligned and coloured on a terminal, plain elsewhere."""

    def __init__(self, stream: TextIO) -> None:
        self._stream: TextIO | None = stream
        self._folder: Path | None = None
        self._colour = stream.isatty()
        self._codes: dict[str, int] = {OURS: 1}
        self._files: dict[str, RotatingFileHandler] = {}
        self._tails: dict[str, deque[str]] = {}

    def write_files_to(self, folder: Path) -> None:
        """From now on also write ``<name>.log`` there for each program."""
        self._folder = folder

    def say(self, text: str, *, secret: str | None = None) -> None:
        """A line, or several, of the supervisor's own; a *secret* in it is for the terminal and stands in no file."""
        for line in text.split("\n"):
            self.line(OURS, line, secret=secret)

    def line(self, name: str, text: str, *, secret: str | None = None) -> None:
        """One line of the program ``name``."""
        text = text.rstrip()
        kept = text if secret is None else text.replace(secret, "…")
        self._tails.setdefault(name, deque(maxlen=TAIL)).append(kept)
        self._to_file(name, kept)
        self._to_terminal(name, text)

    def tail(self, name: str, count: int = 12) -> list[str]:
        """The program's last lines."""
        return list(self._tails.get(name, ()))[-count:]

    async def follow(self, name: str, stream: asyncio.StreamReader) -> None:
        """Log what comes out of ``stream`` until it ends; a line without an end is cut, not kept for ever."""
        rest = b""
        while chunk := await stream.read(65_536):
            *lines, rest = (rest + chunk).split(b"\n")
            if len(rest) > LONGEST_LINE:
                lines, rest = [*lines, rest], b""
            for line in lines:
                self._told(name, line)
        if rest:
            self._told(name, rest)

    def _told(self, name: str, line: bytes) -> None:
        """A line of a program: it may quote what an exchange or a client sent to command a terminal."""
        self.line(name, harmless(line.decode(errors="replace").rstrip()))

    def close(self) -> None:
        """Close the files."""
        for file in self._files.values():
            file.close()
        self._files.clear()

    def _to_terminal(self, name: str, text: str) -> None:
        if self._stream is None:
            return
        prefix = f"{name:<{len(OURS)}} |"
        if self._colour:
            code = self._codes.setdefault(name, COLOURS[len(self._codes) % len(COLOURS)])
            prefix = f"\x1b[{code}m{prefix}\x1b[0m"
        try:
            self._stream.write(f"{prefix} {text}".rstrip() + "\n")
            self._stream.flush()
        except (OSError, ValueError):
            # The terminal is gone (`… | head`, a closed window): the files still have it all.
            self._stream = None

    def _to_file(self, name: str, text: str) -> None:
        if self._folder is None:
            return
        if name not in self._files:
            file = _File(self._folder / f"{name}.log", maxBytes=FILE_BYTES, backupCount=FILES_KEPT, encoding="utf-8")
            # Ours carry no time of their own; nor do Valkey's and PostgreSQL's in one form.
            file.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
            self._files[name] = file
        self._files[name].handle(logging.makeLogRecord({"msg": text}))


class _File(RotatingFileHandler):
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the library's name
        """Lose the line: a full disk must not stop the platform, and the terminal has it."""
