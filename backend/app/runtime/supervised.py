"""One program under care: started, probed, started again when it dies or hangs, stopped in its own way."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal

from app.runtime.backoff import Backoff
from app.runtime.leftovers import ProgramRecord
from app.runtime.merged_log import MergedLog
from app.runtime.program import Program
from app.runtime.watch import Vigil, until_wedged

PROBE_EVERY = 0.1
LAST_WORDS = 1.0
"""Seconds that the output of a dead program is still read: a grandchild may hold the pipe open for ever."""
PATIENCE = 10.0
"""Seconds between two lines that say what is being waited for."""


class Supervised:
    """Runs ``program`` until :meth:`stop`; the event ``ready`` is set while it serves."""

    def __init__(
        self,
        program: Program,
        *,
        log: MergedLog,
        record: ProgramRecord,
        backoff: Backoff | None = None,
        vigil: Vigil | None = None,
    ) -> None:
        self.program = program
        self.ready = asyncio.Event()
        self.died = asyncio.Event()
        self.deaths = 0
        self.last_end = ""
        self._log = log
        self._record = record
        self._backoff = backoff or Backoff()
        self._vigil = vigil or Vigil()
        self._stopping = asyncio.Event()
        self._hasten = asyncio.Event()
        self._child: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int | None:
        """Its pid while it runs."""
        return self._child.pid if self._child else None

    async def run(self) -> None:
        """Start it, and again with growing pauses whenever it ends by itself."""
        clock = asyncio.get_running_loop().time
        while not self._stopping.is_set():
            started = clock()
            code = await self._run_once()
            if self._stopping.is_set():
                return
            self.deaths += 1
            lived = clock() - started
            pause = self._backoff.after(lived=lived)
            self.last_end = _how_it_ended(code)
            self.died.set()
            times = f", {self._backoff.deaths} times in a row" if self._backoff.deaths > 1 else ""
            self._log.say(
                f"{self.program.name} {self.last_end} after {lived:.1f} s{times}; starting it again in {pause:.1f} s"
            )
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause)

    async def stop(self) -> None:
        """Ask it to end, wait, insist; PostgreSQL is waited for however long it takes."""
        self._stopping.set()
        child, program = self._child, self.program
        if child is None:
            return
        self._signal(program.stop_signal)
        if await self._ended(child, program.grace, or_hastened=True):
            return
        self._signal(program.hasten_signal)
        if program.may_be_killed:
            if await self._ended(child, program.grace / 2):
                return
            self._log.say(f"{program.name} does not end: it is killed now")
            self._kill_group(child.pid)
            self._signal(signal.SIGKILL)  # where it had no group of its own yet
        while not await self._ended(child, PATIENCE):
            self._log.say(f"waiting for {program.name} (pid {child.pid})")

    def hasten(self) -> None:
        """Cut the wait of :meth:`stop` short."""
        self._hasten.set()

    async def _run_once(self) -> int:
        program = self.program
        for file in (program.ready_file, program.alive_file):
            if file:
                file.unlink(missing_ok=True)
        # A pipe of our own: asyncio's PIPE makes wait() wait until every grandchild has closed it, too.
        reading, writing = os.pipe()
        try:
            child = await asyncio.create_subprocess_exec(
                *program.launch_argv(),
                env=dict(program.environment),
                cwd=program.folder,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=writing,
                stderr=asyncio.subprocess.STDOUT,
            )
        except OSError as error:
            os.close(reading)
            self._log.say(f"{program.name} cannot be started: {error}")
            return 127
        finally:
            os.close(writing)
        self._child = child
        self._record.add(child.pid, program)
        following = asyncio.create_task(self._follow(reading))
        probing = asyncio.create_task(self._probe())
        watching = asyncio.create_task(self._watch(child))
        try:
            return await child.wait()
        finally:
            probing.cancel()
            watching.cancel()
            self.ready.clear()
            self._child = None
            self._record.remove(child.pid)
            if program.may_be_killed:
                self._kill_group(child.pid)  # no half of it lives on beside its successor
            _, pending = await asyncio.wait([following], timeout=LAST_WORDS)
            for task in pending:
                task.cancel()

    async def _follow(self, reading: int) -> None:
        stream = asyncio.StreamReader()
        protocol = asyncio.StreamReaderProtocol(stream)
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, os.fdopen(reading, "rb"))
        try:
            await self._log.follow(self.program.name, stream)
        finally:
            transport.close()

    async def _probe(self) -> None:
        program = self.program
        while not await self._serves(program):
            await asyncio.sleep(PROBE_EVERY)
        self.ready.set()

    async def _watch(self, child: asyncio.subprocess.Process) -> None:
        """End the program if it hangs; it is then started again like one that died."""
        program = self.program
        silent = await until_wedged(program, self.ready, self._vigil)
        if self._stopping.is_set():
            return
        self.ready.clear()
        what = f"{program.name} (pid {child.pid}) has given no sign of life for {silent:.0f} s"
        if program.may_be_killed:
            self._log.say(f"{what}: it is killed and started again")
            self._kill_group(child.pid)
            self._signal(signal.SIGKILL)
            return
        self._log.say(f"{what}: it is told to end at once ({program.hasten_signal.name}), and started again")
        self._signal(program.hasten_signal)
        self._signal(signal.SIGCONT)  # one that was stopped hears nothing else
        while not await self._ended(child, PATIENCE):
            self._log.say(f"waiting for {program.name} (pid {child.pid}) to end; it is not killed, to keep its data")

    @staticmethod
    async def _serves(program: Program) -> bool:
        if program.ready_file:
            return program.ready_file.exists()
        return program.ready is None or await asyncio.to_thread(program.ready)

    async def _ended(self, child: asyncio.subprocess.Process, within: float, *, or_hastened: bool = False) -> bool:
        waits = [asyncio.create_task(child.wait())]
        if or_hastened:
            waits.append(asyncio.create_task(self._hasten.wait()))
        await asyncio.wait(waits, timeout=within, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        return child.returncode is not None

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            if self._child:
                self._child.send_signal(number)

    @staticmethod
    def _kill_group(pid: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)


def _how_it_ended(code: int) -> str:
    return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
