"""Runs the platform's programs in the foreground: in order, with one log, restarted when they die."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from app.errors import ConfigurationError
from app.runtime.backoff import Backoff
from app.runtime.leftovers import ProgramRecord
from app.runtime.merged_log import MergedLog
from app.runtime.program import Program
from app.runtime.supervised import Supervised
from app.runtime.watch import Vigil

DEATHS_AT_START = 4
"""A program that dies so often before it was ever ready is not going to be."""


class Supervisor:
    """Starts programs stage by stage, keeps them up, and stops the stages in reverse order."""

    def __init__(self, *, log: MergedLog, record: ProgramRecord, vigil: Vigil | None = None) -> None:
        self._log = log
        self._vigil = vigil or Vigil()
        self._record = record
        self._stages: list[list[Supervised]] = []
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._hastened = False

    def pids(self) -> dict[str, int]:
        """The pid of each program that runs now."""
        return {care.program.name: care.pid for stage in self._stages for care in stage if care.pid is not None}

    async def start(self, programs: Sequence[Program]) -> None:
        """Start one stage and return when all of it serves.

        Raises:
            ConfigurationError: a required program did not get ready; its last lines are in the sentence.
        """
        stage = [
            Supervised(program, log=self._log, record=self._record, backoff=Backoff(), vigil=self._vigil)
            for program in programs
        ]
        self._stages.append(stage)
        for care in stage:
            self._tasks[care.program.name] = asyncio.create_task(care.run(), name=care.program.name)
        starts = [asyncio.create_task(self._first_start(care)) for care in stage]
        try:
            for start in asyncio.as_completed(starts):
                failure = await start
                if failure:
                    raise ConfigurationError(failure)
        finally:
            for unfinished in starts:
                unfinished.cancel()

    async def stop(self) -> None:
        """Stop all, the last stage first; within a stage together."""
        for stage in reversed(self._stages):
            running = [care for care in stage if care.pid is not None]
            if running:
                self._log.say(f"stopping {', '.join(care.program.name for care in running)}")
            if self._hastened:
                self.hasten()
            await asyncio.gather(*(care.stop() for care in stage))
            await asyncio.gather(*(self._tasks[care.program.name] for care in stage))
        self._stages.clear()

    def hasten(self) -> None:
        """Stop waiting politely: what may be killed soon is; PostgreSQL is told to end at once."""
        self._hastened = True
        for stage in self._stages:
            for care in stage:
                care.hasten()

    async def _first_start(self, care: Supervised) -> str | None:
        """None once it is ready (or was optional and is not); else the sentence that says what happened."""
        deadline = asyncio.get_running_loop().time() + care.program.ready_within
        while not care.ready.is_set():
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0 or care.deaths >= DEATHS_AT_START:
                return self._failure(care)
            care.died.clear()
            waits = [asyncio.create_task(event.wait()) for event in (care.ready, care.died)]
            await asyncio.wait(waits, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            for wait in waits:
                wait.cancel()
        return None

    def _failure(self, care: Supervised) -> str | None:
        name = care.program.name
        why = f"it {care.last_end}, again and again" if care.deaths else f"waited {care.program.ready_within:.0f} s"
        if care.program.optional:
            self._log.say(f"{name} does not get ready ({why}); the platform goes on without it and keeps trying")
            return None
        last = "\n".join(f"    {line}" for line in self._log.tail(name))
        return f"{name} does not get ready ({why}). Its last lines:\n{last or '    (none)'}"
