"""The lines of the log files in PostgreSQL: each once, whatever is killed or away, and within bounds."""

from __future__ import annotations

import json
import logging.config
import multiprocessing
import os
import random
import signal
import string
import sys
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from celery.exceptions import CPendingDeprecationWarning
from celery.worker.consumer.consumer import CANCEL_TASKS_BY_DEFAULT
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from loguru import logger
from uvicorn.config import LOGGING_CONFIG

from app.core.logging import configure_logging
from app.errors import StoreUnavailable
from app.services import keep_logs
from app.services.keep_logs import LONGEST, MARK, LogKeeper, mark_of, newest_in_files
from app.store import log_lines, old_rows
from app.store.engine import Engine, make_engine, transaction
from app.store.log_lines import KeptLine, Wanted
from tests.conftest import wait_until

AT = datetime(2026, 11, 20, 13, 0, tzinfo=UTC)


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = make_engine(database_url, application_name="test", pool_size=4)
    yield engine
    engine.dispose()


def line(message: object, **other: object) -> bytes:
    said = {"at": AT.isoformat(), "level": 20, "host": "h", "program": "worker", "pid": 7, "module": "m"}
    text = json.dumps({**said, "message": message, **other}, ensure_ascii=False)
    return text.encode(errors="backslashreplace") + b"\n"


def held(engine: Engine, wanted: Wanted | None = None) -> list[KeptLine]:
    with transaction(engine) as connection:
        return log_lines.list_lines(connection, wanted or Wanted(), limit=100_000)[::-1]


def messages(engine: Engine, wanted: Wanted | None = None) -> list[str]:
    return [one.message for one in held(engine, wanted)]


def test_what_is_logged_is_kept_as_it_was(engine: Engine, tmp_path: Path) -> None:
    configure_logging("INFO", folder=tmp_path, program="worker")
    try:
        with logger.contextualize(run="run-1", task="app.tasks.sync_qlib"):
            logger.warning("2330 台積電 \0 {}", "{}")
        try:
            int("no such thing")
        except ValueError:
            logger.exception("It failed")
        logger.debug("below the level")
    finally:
        logger.remove()
        logger.add(sys.stderr)
    assert LogKeeper(lambda: engine, tmp_path).keep() == 2
    first, second = held(engine)
    assert (first.level, first.program, first.pid, first.task) == (30, "worker", os.getpid(), "app.tasks.sync_qlib")
    assert (first.run_id, first.message, first.traceback) == ("run-1", "2330 台積電 \ufffd {}", None)
    assert abs(first.at - datetime.now(UTC)) < timedelta(minutes=1)
    assert (second.level, second.task, second.run_id) == (40, None, None)
    assert second.traceback is not None
    assert second.traceback.startswith("Traceback")
    assert "ValueError: invalid literal" in second.traceback


def test_what_uvicorn_says_of_a_broken_reply_is_kept(engine: Engine, tmp_path: Path) -> None:
    logging.config.dictConfig(LOGGING_CONFIG)  # as uvicorn itself does, before it starts the application
    configure_logging("INFO", folder=tmp_path, program="web")
    try:
        try:
            int("no such thing")
        except ValueError:
            logging.getLogger("uvicorn.error").exception("Exception in ASGI application")
    finally:
        logger.remove()
        logger.add(sys.stderr)
    LogKeeper(lambda: engine, tmp_path).keep()
    (only,) = held(engine)
    assert (only.level, only.program, only.message) == (40, "web", "Exception in ASGI application")
    assert "invalid literal" in (only.traceback or "")


def test_a_file_that_grows_as_fast_as_it_is_read_is_left_for_the_next_time(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody logs with every transaction, and at midnight into a new file: without an end it would go on and on."""
    first, second = (tmp_path / f"quantlab-2026-11-{day}.jsonl" for day in (20, 21))
    first.write_bytes(line("0"))
    keep, grown = log_lines.keep, iter(range(1, 6))

    def keep_while_somebody_logs(*args: object, **options: object) -> None:
        keep(*args, **options)  # type: ignore[arg-type]
        number = next(grown)
        with (first if number < 3 else second).open("ab") as more:
            more.write(line(str(number)))

    monkeypatch.setattr(log_lines, "keep", keep_while_somebody_logs)
    keeper, other = LogKeeper(lambda: engine, tmp_path), LogKeeper(lambda: engine, tmp_path)
    for number, one in enumerate((keeper, other, keeper, other, keeper)):
        assert one.keep() == 1
        assert messages(engine) == [str(each) for each in range(number + 1)]


def test_what_comes_with_every_open_page_is_no_line(capfd: pytest.CaptureFixture[str]) -> None:
    """As uvicorn 0.54 and websockets 17.4 say it, two lines a page; what goes wrong with a connection is one."""
    configure_logging("INFO")
    try:
        uvicorn = logging.getLogger("uvicorn.error")
        uvicorn.info('%s - "WebSocket %s" [accepted]', "127.0.0.1:48100", "/api/v1/live")
        uvicorn.info("connection open")
        uvicorn.info("connection closed")
        uvicorn.error("connection handler failed")
        uvicorn.info("Application startup complete.")
    finally:
        logger.remove()
        logger.add(sys.stderr)
    said = capfd.readouterr().err
    assert [of for of in ("WebSocket", "connection open", "connection closed") if of in said] == []
    assert "connection handler failed" in said
    assert "Application startup complete." in said


def test_a_lost_broker_is_told_without_celerys_advice(capfd: pytest.CaptureFixture[str]) -> None:
    """Its warning of six lines names a setting that is chosen: runs are guarded by leases."""
    configure_logging("INFO")
    logging.captureWarnings(True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.warn(CANCEL_TASKS_BY_DEFAULT, CPendingDeprecationWarning, stacklevel=1)
            warnings.warn("another thing", UserWarning, stacklevel=1)
    finally:
        logging.captureWarnings(False)
        logger.remove()
        logger.add(sys.stderr)
    said = capfd.readouterr().err
    assert "In Celery 5.1" not in said
    assert "another thing" in said


def test_half_a_line_waits_for_its_end(engine: Engine, tmp_path: Path) -> None:
    file, keeper = tmp_path / "quantlab-2026-11-20.jsonl", LogKeeper(lambda: engine, tmp_path)
    whole = line("second")
    file.write_bytes(line("first") + whole[:20])
    assert keeper.keep() == 1
    assert keeper.keep() == 0
    with file.open("ab") as more:
        more.write(whole[20:])
    assert keeper.keep() == 1
    assert messages(engine) == ["first", "second"]


def test_what_is_no_line_of_ours_is_kept_as_a_warning(engine: Engine, tmp_path: Path) -> None:
    file = tmp_path / "quantlab-2026-11-20.jsonl"
    file.write_bytes(b"\xff torn\n[1]\n{}\n" + line("x" * (LONGEST + 1_234)))
    LogKeeper(lambda: engine, tmp_path).keep()
    *strange, long = held(engine)
    assert [(one.level, one.program) for one in strange] == [(30, "unknown")] * 3
    assert strange[0].message == "\ufffd torn"
    assert long.message == "x" * LONGEST + " … 1,234 characters more, in the file"


ODD = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.lists(st.integers(), max_size=2)
)


@pytest.mark.parametrize("part", ["host", "program", "task", "run_id", "module"])
def test_a_name_that_no_index_takes_holds_up_no_line(engine: Engine, tmp_path: Path, part: str) -> None:
    # Random, for PostgreSQL would compress what repeats until the index takes it.
    long = "".join(random.Random(2330).choices(string.ascii_letters, k=9_000))
    file = tmp_path / "quantlab-2026-11-20.jsonl"
    file.write_bytes(line("before") + line("long", **{part: long}) + line("after"))
    assert LogKeeper(lambda: engine, tmp_path).keep() == 3
    assert messages(engine) == ["before", "long", "after"]
    assert getattr(held(engine)[1], part) == long[:255]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.dictionaries(st.sampled_from(["at", "level", "pid", "task", "run_id", "message", "host"]), ODD)))
def test_no_line_holds_up_those_after_it(
    engine: Engine, tmp_path_factory: pytest.TempPathFactory, oddities: list[dict[str, object]]
) -> None:
    folder = tmp_path_factory.mktemp("odd")
    body = b"".join(line(**{"message": "odd", **odd}) for odd in oddities)
    (folder / "quantlab-2026-11-20.jsonl").write_bytes(body + line(f"after {folder}"))
    assert LogKeeper(lambda: engine, folder).keep() == len(oddities) + 1
    assert messages(engine)[-1] == f"after {folder}"


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(1, 40)), min_size=1, max_size=12), st.integers(40, 400))
def test_each_line_once_whoever_copies_whenever(
    engine: Engine, tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, int]], at_once: int
) -> None:
    """Three keepers in any order, files that grow meanwhile, transactions of a few lines."""
    folder = tmp_path_factory.mktemp("lines")
    keepers = [LogKeeper(lambda: engine, folder) for _ in range(3)]
    prefix, written = str(folder), 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keep_logs, "AT_ONCE", at_once)
        for who, count in steps:
            name = f"quantlab-2026-11-{20 + written % 2}.jsonl"
            with (folder / name).open("ab") as file:
                file.writelines(line(f"{prefix} {number}") for number in range(written, written + count))
            written += count
            keepers[who].keep()
        for keeper in keepers:
            keeper.keep()
    numbers = sorted(int(one.split()[1]) for one in messages(engine, Wanted(words=prefix)))
    assert numbers == list(range(written))


@pytest.mark.parametrize("torn", [b"", b"\xff\xfe", b"0" * 36, b"c0ffee"])
def test_hosts_whose_marks_a_power_cut_tore_keep_their_own_lines(engine: Engine, tmp_path: Path, torn: bytes) -> None:
    """Else both would have the same one, and each would take the other's file for its own, cut or gone on."""
    keepers, files = [], [tmp_path / host / "quantlab-2026-11-20.jsonl" for host in ("one", "two")]
    for file, lines in zip(files, (3, 1), strict=True):
        file.parent.mkdir()
        (file.parent / MARK).write_bytes(torn)
        file.write_bytes(b"".join(line(f"{file.parent.name} {number}") for number in range(lines)))
        keepers.append(LogKeeper(lambda: engine, file.parent))
    kept = [f"{host} {number}" for host, lines in (("one", 3), ("two", 1)) for number in range(lines)]
    for keeper in keepers:
        keeper.keep()
    assert sorted(messages(engine)) == kept
    for file, keeper in zip(files, keepers, strict=True):
        with file.open("ab") as more:
            more.write(line(f"{file.parent.name} more"))
        keeper.keep()
    assert sorted(messages(engine)) == sorted([*kept, "one more", "two more"])


def _copy_for_ever(url: str, folder: Path) -> None:
    keep_logs.AT_ONCE = 2_000
    engine = make_engine(url, application_name="copier", pool_size=1)
    keeper = LogKeeper(lambda: engine, folder)
    while True:
        keeper.keep()


@pytest.mark.long
def test_nothing_is_lost_or_doubled_when_copiers_are_killed(engine: Engine, database_url: str, tmp_path: Path) -> None:
    file = tmp_path / "quantlab-2026-11-20.jsonl"
    context, written = multiprocessing.get_context("fork"), 0
    for _ in range(6):
        copiers = [context.Process(target=_copy_for_ever, args=(database_url, tmp_path)) for _ in range(2)]
        for one in copiers:
            one.start()
        with file.open("ab") as more:
            more.writelines(line(str(number)) for number in range(written, written + 300))
        seen = written
        written += 300
        wait_until(lambda seen=seen: len(held(engine)) > seen, within=30)
        for one in copiers:
            os.kill(one.pid or 0, signal.SIGKILL)
            one.join()
    LogKeeper(lambda: engine, tmp_path).keep()
    assert messages(engine) == [str(number) for number in range(written)]


def test_while_postgresql_is_away_the_files_keep_them(engine: Engine, tmp_path: Path) -> None:
    away = make_engine("postgresql://127.0.0.1:9/none", application_name="away", pool_size=1)
    engines = [away]
    file, keeper = tmp_path / "quantlab-2026-11-20.jsonl", LogKeeper(lambda: engines[0], tmp_path)
    file.write_bytes(line("one") + line("two"))
    with pytest.raises(StoreUnavailable):
        keeper.keep()
    engines[0] = engine
    assert keeper.keep() == 2
    assert messages(engine) == ["one", "two"]


def test_a_file_that_went_is_forgotten_and_its_lines_stay(engine: Engine, tmp_path: Path) -> None:
    old, new = tmp_path / "quantlab-2026-10-01.jsonl", tmp_path / "quantlab-2026-11-20.jsonl"
    old.write_bytes(line("old"))
    keeper = LogKeeper(lambda: engine, tmp_path)
    keeper.keep()
    old.unlink()
    new.write_bytes(line("new"))
    keeper.keep()
    with transaction(engine) as connection:
        assert log_lines.kept_bytes(connection, mark_of(tmp_path)).keys() == {new.name}
    assert messages(engine) == ["old", "new"]


def remove_old_lines(engine: Engine, *, before: datetime, most: int) -> int:
    with transaction(engine) as connection:
        found = old_rows.look(connection, "log_lines", before=before, most=most)
        removed = old_rows.remove(connection, "log_lines", before=before, most=most, at_once=100)
    assert found.rows == removed
    return removed


def test_lines_that_are_old_or_too_many_go(engine: Engine, tmp_path: Path) -> None:
    month = AT - timedelta(days=30)
    file = tmp_path / "quantlab-2026-11-20.jsonl"
    ages = [40, 31, 29, 3, 2, 1, 0]
    file.write_bytes(b"".join(line(f"{days}", at=(AT - timedelta(days=days)).isoformat()) for days in ages))
    LogKeeper(lambda: engine, tmp_path).keep()
    assert remove_old_lines(engine, before=month, most=1_000) == 2
    assert messages(engine) == ["29", "3", "2", "1", "0"]
    assert remove_old_lines(engine, before=month, most=3) == 2
    assert messages(engine) == ["2", "1", "0"]
    assert remove_old_lines(engine, before=month, most=3) == 0
    assert LogKeeper(lambda: engine, tmp_path).keep() == 0  # what went does not come back


def test_an_old_line_that_came_late_takes_no_newer_one_with_it(engine: Engine, tmp_path: Path) -> None:
    file = tmp_path / "quantlab-2026-11-20.jsonl"
    late = line("late", at=(AT - timedelta(days=40)).isoformat())
    file.write_bytes(line("first") + late + line("second"))
    LogKeeper(lambda: engine, tmp_path).keep()
    assert remove_old_lines(engine, before=AT - timedelta(days=30), most=1_000) == 1
    assert messages(engine) == ["first", "second"]


WANTED = [
    (Wanted(level=30), ["bad 2330"]),
    (Wanted(task="app.tasks.sync_qlib"), ["good 23301"]),
    (Wanted(run_id="r1"), ["good 23301"]),
    (Wanted(program="beat"), ["tick"]),
    (Wanted(host="other"), ["tick"]),
    (Wanted(symbol="2330"), ["bad 2330"]),
    (Wanted(words="GOOD"), ["good 23301"]),
    (Wanted(words="%"), []),
    (Wanted(since=AT + timedelta(hours=1)), ["tick"]),
    (Wanted(until=AT), ["bad 2330", "good 23301"]),
    (Wanted(level=30, words="good"), []),
]


@pytest.mark.parametrize(("wanted", "found"), WANTED)
def test_what_is_wanted_is_found_in_the_store_and_in_the_files_alike(
    engine: Engine, tmp_path: Path, wanted: Wanted, found: list[str]
) -> None:
    file = tmp_path / "quantlab-2026-11-20.jsonl"
    later = (AT + timedelta(hours=1)).isoformat()
    file.write_bytes(
        line("bad 2330", level=40)
        + line("good 23301", task="app.tasks.sync_qlib", run_id="r1")
        + line("tick", program="beat", host="other", at=later)
    )
    LogKeeper(lambda: engine, tmp_path).keep()
    assert messages(engine, wanted) == found
    assert [one.message for one in newest_in_files(tmp_path, wanted, limit=10)][::-1] == found
