"""A program that hangs is found, said, ended and started again; one that lives is left alone."""

from __future__ import annotations

import asyncio
import io
import os
import signal
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import psutil
import pytest

from app.runtime.leftovers import ProgramRecord
from app.runtime.merged_log import MergedLog
from app.runtime.program import Program
from app.runtime.supervisor import Supervisor
from app.runtime.watch import Vigil, until_wedged

Fake = Callable[..., Program]
CLOSE = Vigil(every=0.1, wedged_after=0.6, slow_start=1.0)


@pytest.fixture
def supervisor(log: MergedLog, record: ProgramRecord) -> Supervisor:
    return Supervisor(log=log, record=record, vigil=CLOSE)


async def until(condition: Callable[[], object], *, within: float = 20.0) -> None:
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, "did not come true in time"
        await asyncio.sleep(0.02)


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(scenario())  # type: ignore[arg-type]


def pids(folder: Path, name: str) -> list[int]:
    marks = folder / f"{name}.marks"
    return [int(line.split()[1]) for line in marks.read_text().splitlines()] if marks.exists() else []


def gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def touching(path: Path, *, until_marks: int = 10**9) -> str:
    return (
        f"alive = pathlib.Path({str(path)!r})\nif os.fork() == 0:\n    mark('child')\n    time.sleep(600)\n"
        "mark('parent')\n"
        f"turns = 0\nwhile True:\n    turns += 1\n    turns < {until_marks} and alive.touch()\n    time.sleep(0.05)\n"
    )


def test_a_frozen_program_is_killed_with_its_children_and_comes_back(
    supervisor: Supervisor, fake: Fake, tmp_path: Path, terminal: io.StringIO
) -> None:
    alive = tmp_path / "worker.alive"

    async def scenario() -> None:
        await supervisor.start([fake("worker", touching(alive), alive_file=alive)])
        await until(lambda: len(pids(tmp_path, "worker")) == 2)
        first = pids(tmp_path, "worker")
        os.kill(supervisor.pids()["worker"], signal.SIGSTOP)
        await until(lambda: len(pids(tmp_path, "worker")) == 4)
        assert all(gone(pid) for pid in first)
        await supervisor.stop()

    run(scenario)
    assert "has given no sign of life for 1 s: it is killed and started again" in terminal.getvalue()


def test_a_program_whose_loop_hangs_is_killed_though_it_runs(
    supervisor: Supervisor, fake: Fake, tmp_path: Path, terminal: io.StringIO
) -> None:
    alive = tmp_path / "beat.alive"

    async def scenario() -> None:
        await supervisor.start([fake("beat", touching(alive, until_marks=5), alive_file=alive)])
        await until(lambda: len(pids(tmp_path, "beat")) >= 4)
        await supervisor.stop()

    run(scenario)
    assert "beat was ended by SIGKILL" in terminal.getvalue()


def test_who_gives_signs_of_life_is_left_alone(
    supervisor: Supervisor, fake: Fake, tmp_path: Path, terminal: io.StringIO
) -> None:
    alive = tmp_path / "worker.alive"

    async def scenario() -> None:
        asked = 0

        def answers() -> bool:
            nonlocal asked
            asked += 1
            return asked % 3 == 0  # now and then it is too busy

        waiting = "mark()\ntime.sleep(600)\n"
        await supervisor.start(
            [
                fake("worker", touching(alive), alive_file=alive),
                fake("web", waiting, alive=answers),
                fake("silent", waiting),  # nobody told how to see whether it lives
            ]
        )
        await until(lambda: asked > 15)
        # Clocks are set: a file from the future, or from long ago, is no older or younger for it.
        os.utime(alive, (0, 0))
        await until(lambda: asked > 20)
        assert len(pids(tmp_path, "worker")) == 2
        await supervisor.stop()

    run(scenario)
    assert "no sign of life" not in terminal.getvalue()


def test_one_that_hangs_when_it_is_started_again_is_found_too(
    supervisor: Supervisor, fake: Fake, tmp_path: Path
) -> None:
    ready = tmp_path / "ready"
    script = (
        "mark()\nif len(marks.read_text().splitlines()) != 2:\n"
        f"    pathlib.Path({str(ready)!r}).touch()\nwhile True: time.sleep(1)\n"
    )

    async def scenario() -> None:
        web = fake("web", script, ready_file=ready, alive=ready.exists, ready_within=0.6)
        await supervisor.start([web])
        os.kill(supervisor.pids()["web"], signal.SIGKILL)
        await until(lambda: len(pids(tmp_path, "web")) == 3)
        await supervisor.stop()

    run(scenario)


def test_a_frozen_postgres_is_told_to_end_and_never_killed(
    supervisor: Supervisor, fake: Fake, tmp_path: Path, terminal: io.StringIO
) -> None:
    ending = (
        "def end(*_):\n    mark('recovering-at-next-start'); os._exit(2)\n"
        "signal.signal(signal.SIGQUIT, end)\nmark()\nwhile True: time.sleep(0.05)\n"
    )
    answering = True

    async def scenario() -> None:
        nonlocal answering
        facts = {"hasten_signal": signal.SIGQUIT, "may_be_killed": False}
        await supervisor.start([fake("postgres", ending, alive=lambda: answering, **facts)])
        await until(lambda: pids(tmp_path, "postgres"))
        os.kill(supervisor.pids()["postgres"], signal.SIGSTOP)
        answering = False
        await until(lambda: len(pids(tmp_path, "postgres")) == 2)
        answering = True
        await until(lambda: len(pids(tmp_path, "postgres")) == 3)
        await supervisor.stop()

    run(scenario)
    said = terminal.getvalue()
    assert "it is told to end at once (SIGQUIT), and started again" in said
    assert "postgres ended with exit code 2" in said
    assert "SIGKILL" not in said


def test_a_supervisor_that_stood_still_itself_blames_nobody(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    program = fake("web", "pass", alive=lambda: False)
    vigil = Vigil(every=0.05, wedged_after=0.4)

    async def scenario() -> float:
        ready = asyncio.Event()
        ready.set()
        watching = asyncio.create_task(until_wedged(program, ready, vigil))
        await asyncio.sleep(0.06)
        time.sleep(1.0)
        return await watching

    assert asyncio.run(scenario()) < 0.6
