"""The supervisor with small real programs: order, readiness, restarts, stopping, last words."""

from __future__ import annotations

import asyncio
import io
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import psutil
import pytest

from app.errors import ConfigurationError
from app.runtime import supervised
from app.runtime.backoff import Backoff
from app.runtime.leftovers import ProgramRecord
from app.runtime.merged_log import MergedLog
from app.runtime.program import Program
from app.runtime.supervisor import Supervisor

Fake = Callable[..., Program]
SERVE = "print('serving', flush=True); mark()\nwhile True: time.sleep(0.05)\n"


async def until(condition: Callable[[], object], *, within: float = 20.0) -> None:
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, "did not come true in time"
        await asyncio.sleep(0.02)


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(scenario())  # type: ignore[arg-type]


def starts(folder: Path, name: str) -> list[int]:
    """Pids of the starts of the fake program."""
    marks = folder / f"{name}.marks"
    return [int(line.split()[1]) for line in marks.read_text().splitlines()] if marks.exists() else []


def test_a_stage_is_ready_before_the_next_starts_and_stops_after_it(
    supervisor: Supervisor, fake: Fake, tmp_path: Path, terminal: io.StringIO
) -> None:
    gate = tmp_path / "gate"
    first = fake("first", f"time.sleep(0.3); pathlib.Path({str(gate)!r}).touch()\n" + SERVE, ready=gate.exists)
    second = fake("second", f"assert pathlib.Path({str(gate)!r}).exists()\n" + SERVE)

    async def scenario() -> None:
        await supervisor.start([first])
        await supervisor.start([second])
        await until(lambda: starts(tmp_path, "second"))
        pids = supervisor.pids()
        assert list(pids) == ["first", "second"]
        await supervisor.stop()
        assert not any(psutil.pid_exists(pid) for pid in pids.values())

    run(scenario)
    said = terminal.getvalue()
    assert "first    | serving" in said
    assert said.index("stopping second") < said.index("stopping first")


def test_what_dies_is_started_again(supervisor: Supervisor, fake: Fake, tmp_path: Path, terminal: io.StringIO) -> None:
    async def scenario() -> None:
        await supervisor.start([fake("worker", SERVE)])
        await until(lambda: starts(tmp_path, "worker"))
        os.kill(supervisor.pids()["worker"], signal.SIGKILL)
        await until(lambda: len(starts(tmp_path, "worker")) == 2)
        assert supervisor.pids()["worker"] == starts(tmp_path, "worker")[1]
        await supervisor.stop()

    run(scenario)
    assert "worker was ended by SIGKILL" in terminal.getvalue()


def test_children_of_a_killed_program_do_not_live_on(supervisor: Supervisor, fake: Fake, tmp_path: Path) -> None:
    forking = "if os.fork() == 0: mark('child')\nelse: mark('parent')\nwhile True: time.sleep(0.05)\n"

    async def scenario() -> None:
        await supervisor.start([fake("pool", forking)])
        await until(lambda: len(starts(tmp_path, "pool")) == 2)
        first = starts(tmp_path, "pool")
        os.kill(supervisor.pids()["pool"], signal.SIGKILL)
        await until(lambda: len(starts(tmp_path, "pool")) == 4)
        assert not any(_alive(pid) for pid in first)
        await supervisor.stop()

    run(scenario)


def _alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_required_program_that_dies_at_start_is_named_with_its_last_lines(supervisor: Supervisor, fake: Fake) -> None:
    async def scenario() -> None:
        broken = fake("postgres", "print('no room left'); sys.exit(3)", ready=lambda: False)
        with pytest.raises(ConfigurationError, match=r"(?s)postgres does not get ready .*exit code 3.*no room left"):
            await supervisor.start([broken])
        await supervisor.stop()

    run(scenario)


def test_a_required_program_that_hangs_at_start_is_given_up_in_time(supervisor: Supervisor, fake: Fake) -> None:
    async def scenario() -> None:
        slow = fake("web", SERVE, ready=lambda: False, ready_within=0.5)
        with pytest.raises(ConfigurationError, match=r"web does not get ready \(waited"):
            await supervisor.start([slow])
        await supervisor.stop()

    run(scenario)


def test_the_platform_goes_on_without_an_optional_program(
    supervisor: Supervisor, fake: Fake, terminal: io.StringIO
) -> None:
    async def scenario() -> None:
        await supervisor.start([fake("flower", SERVE, ready=lambda: False, ready_within=0.3, optional=True)])
        await supervisor.stop()

    run(scenario)
    assert "goes on without it" in terminal.getvalue()


def test_a_program_tells_by_file_that_it_serves(supervisor: Supervisor, fake: Fake, tmp_path: Path) -> None:
    ready_file = tmp_path / "worker.ready"
    ready_file.touch()  # from an earlier run: must not count

    async def scenario() -> None:
        script = f"time.sleep(0.2); pathlib.Path({str(ready_file)!r}).touch()\n" + SERVE
        await supervisor.start([fake("worker", script, ready_file=ready_file)])
        assert ready_file.exists()
        await supervisor.stop()

    run(scenario)


def test_one_that_ignores_the_signal_is_killed(
    supervisor: Supervisor, fake: Fake, tmp_path: Path, terminal: io.StringIO
) -> None:
    stubborn = "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + SERVE

    async def scenario() -> None:
        await supervisor.start([fake("worker", stubborn, grace=0.3)])
        await until(lambda: starts(tmp_path, "worker"))
        await supervisor.stop()
        assert not any(_alive(pid) for pid in starts(tmp_path, "worker"))

    run(scenario)
    assert "worker does not end: it is killed now" in terminal.getvalue()


def test_hastening_cuts_the_grace_short(supervisor: Supervisor, fake: Fake, tmp_path: Path) -> None:
    finishing = "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + SERVE

    async def scenario() -> None:
        await supervisor.start([fake("worker", finishing, grace=600.0, hasten_signal=signal.SIGINT)])
        await until(lambda: starts(tmp_path, "worker"))
        stopping = asyncio.create_task(supervisor.stop())
        await asyncio.sleep(0)
        supervisor.hasten()
        await asyncio.wait_for(stopping, 20)

    run(scenario)


def test_postgres_is_waited_for_and_never_killed(
    supervisor: Supervisor, fake: Fake, tmp_path: Path, terminal: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervised, "PATIENCE", 0.2)
    flushing = (
        "def flush(*_):\n    time.sleep(1.2); mark('flushed'); sys.exit(0)\n"
        "signal.signal(signal.SIGINT, flush); signal.signal(signal.SIGQUIT, signal.SIG_IGN)\n" + SERVE
    )
    facts = {"stop_signal": signal.SIGINT, "hasten_signal": signal.SIGQUIT, "grace": 0.2, "may_be_killed": False}

    async def scenario() -> None:
        await supervisor.start([fake("postgres", flushing, **facts)])
        await until(lambda: starts(tmp_path, "postgres"))
        await supervisor.stop()

    run(scenario)
    assert "flushed" in (tmp_path / "postgres.marks").read_text()
    assert "waiting for postgres" in terminal.getvalue()


def test_a_program_that_is_not_there_is_a_sentence(supervisor: Supervisor, tmp_path: Path) -> None:
    async def scenario() -> None:
        missing = Program(name="ghost", argv=["/nowhere/ghost"], environment={}, folder=tmp_path, ready=lambda: False)
        with pytest.raises(ConfigurationError, match="ghost cannot be started"):
            await supervisor.start([missing])
        await supervisor.stop()

    run(scenario)


def test_a_missing_folder_is_a_sentence_too(supervisor: Supervisor, fake: Fake, tmp_path: Path) -> None:
    async def scenario() -> None:
        missing = Program(name="ghost", argv=["true"], environment={}, folder=tmp_path / "gone", ready=lambda: False)
        with pytest.raises(ConfigurationError, match="does not get ready"):
            await supervisor.start([missing])
        await supervisor.stop()

    run(scenario)


def test_programs_end_when_their_supervisor_is_killed(fake: Fake, tmp_path: Path) -> None:
    program = fake("orphan", SERVE)
    pid = os.fork()
    if pid == 0:  # the supervisor that will be killed
        program.start(2)
        while True:
            time.sleep(1)
    deadline = time.monotonic() + 20
    while not starts(tmp_path, "orphan") and time.monotonic() < deadline:
        time.sleep(0.02)
    orphan = starts(tmp_path, "orphan")[0]
    assert os.getsid(orphan) == orphan
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    if sys.platform != "linux":
        os.kill(orphan, signal.SIGTERM)
    while _alive(orphan):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_leftovers_are_ended_and_strangers_left_alone(fake: Fake, tmp_path: Path, record: ProgramRecord) -> None:
    program = fake("worker", SERVE)
    left, stranger = program.start(2), program.start(2)
    record.add(left.pid, program)
    path = tmp_path / "programs.json"
    # The stranger has got a pid that we once had: another start time.
    record.add(stranger.pid, program)
    text = path.read_text()
    started = psutil.Process(stranger.pid).create_time()
    path.write_text(text[: text.rindex(str(started))] + "5.0" + text[text.rindex(str(started)) + len(str(started)) :])
    try:
        assert ProgramRecord(path).end_leftovers() == ["worker"]
        assert left.poll() is not None
        assert stranger.poll() is None
        assert not path.exists()
        assert ProgramRecord(path).end_leftovers() == []
    finally:
        stranger.kill()
        stranger.wait()


def test_children_that_outlived_their_program_are_leftovers_too(
    fake: Fake, tmp_path: Path, record: ProgramRecord
) -> None:
    program = fake("pool", "if os.fork(): mark('parent'); time.sleep(60)\nmark('child'); time.sleep(60)\n")
    parent = program.start(2)
    record.add(parent.pid, program)
    deadline = time.monotonic() + 20
    while len(starts(tmp_path, "pool")) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    (child,) = set(starts(tmp_path, "pool")) - {parent.pid}
    parent.kill()
    parent.wait()
    assert ProgramRecord(tmp_path / "programs.json").end_leftovers(within=5.0) == ["pool"]
    assert not _alive(child)


def test_backoff_doubles_up_to_its_bound_and_starts_over_after_health() -> None:
    backoff = Backoff(first=1.0, longest=8.0, healthy=60.0)
    pauses = [backoff.after(lived=0.1) for _ in range(6)]
    for pause, least in zip(pauses, [1, 2, 4, 8, 8, 8], strict=True):
        assert least <= pause <= least * 1.25
    assert backoff.after(lived=61.0) <= 1.25


def test_log_files_hold_what_the_terminal_showed(tmp_path: Path, terminal: io.StringIO, log: MergedLog) -> None:
    log.write_files_to(tmp_path)
    log.line("web", "hello\n")
    log.say("two\nlines")
    log.close()
    assert terminal.getvalue() == "web      | hello\nquantlab | two\nquantlab | lines\n"
    assert (tmp_path / "web.log").read_text().endswith(" hello\n")
    assert log.tail("quantlab", 1) == ["lines"]


def test_what_a_program_quotes_commands_no_terminal(
    supervisor: Supervisor, fake: Fake, terminal: io.StringIO, log: MergedLog
) -> None:
    text = "print('\\x1b[2J\\x1b]0;mine\\x07 \\u202eturned\\ta tab', flush=True)\n" + SERVE

    async def scenario() -> None:
        await supervisor.start([fake("worker", text)])
        await until(lambda: "a tab" in terminal.getvalue())
        await supervisor.stop()

    run(scenario)
    said = "\ufffd[2J\ufffd]0;mine\ufffd \ufffdturned\ta tab"
    assert f"worker   | {said}\n" in terminal.getvalue()
    assert "\x1b" not in terminal.getvalue()
    assert said in log.tail("worker")


def test_log_colours_the_prefix_on_a_terminal_only() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    stream = Terminal()
    MergedLog(stream).line("web", "hello")
    assert stream.getvalue().startswith("\x1b[")


def test_log_survives_a_terminal_that_is_gone(tmp_path: Path) -> None:
    class Gone(io.StringIO):
        def write(self, _: str) -> int:
            raise BrokenPipeError

    log = MergedLog(Gone())
    log.write_files_to(tmp_path)
    log.line("web", "one")
    log.line("web", "two")
    log.close()
    assert (tmp_path / "web.log").read_text().count("\n") == 2


def test_log_cuts_a_line_without_an_end(terminal: io.StringIO, log: MergedLog) -> None:
    async def scenario() -> None:
        stream = asyncio.StreamReader()
        stream.feed_data(b"x" * 1_100_000 + b"\nlast without end")
        stream.feed_eof()
        await log.follow("web", stream)

    run(scenario)
    assert terminal.getvalue().endswith("web      | last without end\n")
