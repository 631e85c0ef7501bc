"""`quantlab backup` and `quantlab restore`: the drill, and whatever may be wrong with a file, a platform or a disk."""

from __future__ import annotations

import fcntl
import hashlib
import io
import json
import os
import resource
import signal
import stat
import subprocess
import sys
import tarfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import IO, Any, cast

import psycopg
import pytest
from typer.testing import Result

from app.cli import backup as command
from app.core.config import get_settings
from app.core.wiring import Platform
from app.errors import ConfigurationError, InvalidParameter, QuantLabError, StoreError, StoreUnavailable
from app.runtime.instance import announced
from app.runtime.own_postgres import own_postgres
from app.services import back_up, backup_file, restore
from app.services.identity import operator
from app.sources.archive import Archive
from app.sources.base import Reply, Request, SessionQuery, Site
from app.store import dumps
from tests.integration.conftest import NOW, TOKEN

Run = Callable[..., Result]
QUANTLAB = Path(sys.executable).with_name("quantlab")
LINE = "INSERT INTO log_lines (at, level, host, program, pid, module, message) VALUES (now(), 20, 'h', 'p', 1, 'm', %s)"
PAIRED = "INSERT INTO readings VALUES ('pair', %s, now(), 1)"


BY = operator("somebody")


def _silent(*_: object) -> None:
    """Nobody looks at the progress."""


def _destination(platform: Platform) -> restore.Destination:
    settings = platform.settings
    return restore.Destination(
        url_of(platform), "sandbox", settings.data_dir, settings.data_dir / "archive", own_server=False
    )


def url_of(platform: Platform) -> str:
    return platform.settings.database_url.get_secret_value()


def tables(url: str) -> dict[str, list[Any]]:
    """Table → its rows, and the next numbers that the sequences give."""
    with psycopg.connect(url) as connection:
        names = [name for (name,) in connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
        found: dict[str, list[Any]] = {
            name: connection.execute(f'SELECT to_jsonb(t) FROM "{name}" AS t ORDER BY 1').fetchall() for name in names
        }
        found["sequences"] = connection.execute(
            "SELECT sequencename, last_value FROM pg_sequences ORDER BY 1"
        ).fetchall()
    return found


def files(folder: Path) -> dict[str, tuple[bytes, int]]:
    """File below the folder → its content, and the second in which it was written."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): (path.read_bytes(), int(path.stat().st_mtime)) for path in found}


def databases(url: str) -> set[str]:
    with psycopg.connect(url) as connection:
        return {name for (name,) in connection.execute("SELECT datname FROM pg_database")}


@pytest.fixture
def held(seeded: Platform) -> Platform:
    """The same with two raw replies, of another day than today."""
    kept = Archive(seeded.archive)
    for day in (19, 20):
        asked = Request(Site.TWSE, "/x", (("date", f"202611{day}"),))
        reply = Reply(asked, b"[1]" * day, "application/json", datetime(2026, 11, day, 8, tzinfo=UTC))
        kept.keep(reply, dataset="daily_bars", query=SessionQuery(NOW.date()))
    for path in (seeded.settings.data_dir / "archive").rglob("*.*"):
        os.utime(path, (NOW.timestamp(),) * 2)
    return seeded


@pytest.fixture
def file(held: Platform, run: Run, tmp_path: Path) -> Path:
    path = tmp_path / "a.backup"
    done = run("backup", str(path))
    assert done.exit_code == 0, (done.output, done.exception)
    return path


@contextmanager
def writing(url: str) -> Iterator[list[int]]:
    """Somebody writes two rows a transaction for as long as the block takes; yields their numbers as they commit."""
    committed: list[int] = []
    first, enough = threading.Event(), threading.Event()

    def write() -> None:
        with psycopg.connect(url) as connection:
            while not enough.is_set():
                number = len(committed) + 1
                connection.execute(LINE, [f"pair {number}"])
                connection.execute(PAIRED, [f"{number:08}"])
                connection.commit()
                committed.append(number)
                first.set()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert first.wait(30)
        yield committed
    finally:
        enough.set()
        writer.join(30)


def test_the_drill(held: Platform, run: Run, tmp_path: Path, server_folder: Path, redis_url: str) -> None:
    """Backed up beside a writer, restored into a fresh home by a process of its own, compared table by table."""
    file, home = tmp_path / "drill.backup", server_folder / f"drill-{os.getpid()}"
    with psycopg.connect(url_of(held)) as connection:
        connection.execute("INSERT INTO heartbeats VALUES ('beat', 'beat@a', 'a', 1, now(), now(), '{}')")
    with writing(url_of(held)) as committed:
        before = len(committed)
        done = run("backup", str(file), "--json")
        assert done.exit_code == 0, (done.output, done.exception)
        after = len(committed)
    told = json.loads(done.stdout)
    assert before <= told["rows"]["readings"] < after

    plain = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")}
    words = [QUANTLAB, "restore", str(file), "--json"]
    restored = subprocess.run(
        words, env=plain | {"QUANTLAB_HOME": str(home)}, capture_output=True, text=True, timeout=120, check=False
    )
    assert restored.returncode == 0, restored.stderr
    assert json.loads(restored.stdout)["restored"]
    here = tables(url_of(held))
    with own_postgres(home, "sandbox") as url:
        there = tables(url)
        looked = subprocess.run(
            [QUANTLAB, "doctor", "--json"],
            env=plain | {"QUANTLAB_HOME": str(home), "DATABASE_URL": url, "REDIS_URL": redis_url},
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
    findings = {one["name"]: one["level"] for one in json.loads(looked.stdout)["findings"]}
    assert {findings[name] for name in ("postgresql", "migrations", "ledger", "archive", "breakers")} == {"ok"}

    # Of the writer both rows of each transaction or none, and those of the first so many.
    number = told["rows"]["readings"]
    assert [row["subject"] for (row,) in there.pop("readings")] == [f"{one + 1:08}" for one in range(number)]
    lines = [row["message"] for (row,) in there.pop("log_lines")]
    assert sorted(lines) == sorted(f"pair {one + 1}" for one in range(number))
    ((noted,),) = there.pop("audit")
    assert (noted["action"], noted["subject"], noted["outcome"]) == ("platform.restore", "drill.backup", "done")
    assert there.pop("heartbeats") == []  # the program of that name runs where the backup was made
    for name in ("sequences", "audit", "readings", "log_lines", "heartbeats"):
        here.pop(name)
    there.pop("sequences")
    assert there == here
    assert sum(len(rows) for name, rows in there.items() if name != "alembic_version") == sum(
        rows for name, rows in told["rows"].items() if name not in ("audit", "readings", "log_lines", "heartbeats")
    )
    assert files(home / "sandbox/archive") == files(tmp_path / "sandbox/archive") != {}


def test_any_tar_reads_it_and_only_its_owner(file: Path, held: Platform) -> None:
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with tarfile.open(file) as tar:
        names = tar.getnames()
        settings = json.load(tar.extractfile("settings.json") or pytest.fail("none"))
    assert [name for name in names if not name.startswith("replies/")] == [
        "database.dump",
        "settings.json",
        "manifest.json",
    ]
    assert len(names) == 3 + 4
    assert settings["QUANTLAB_SOURCE"] == "sandbox"
    password = url_of(held).split("@")[0].rsplit(":", 1)[1]
    assert not [secret for secret in (TOKEN, password) if secret.encode() in file.read_bytes()]


def test_settings_are_those_that_a_person_made(
    held: Platform, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of what the running platform says only the source: its own servers' ports are others on any other machine."""
    chosen = {"QUANTLAB_SOURCE": "sandbox", "TWSE_URL": "http://127.0.0.1:54943/twse"}
    monkeypatch.setenv("RUN_DAYS", "500")
    monkeypatch.delenv("TWSE_URL", raising=False)
    with announced(tmp_path, source="sandbox", environment=chosen, web="http://127.0.0.1:3000"):
        get_settings.cache_clear()
        assert get_settings().twse_url == chosen["TWSE_URL"]
        assert run("backup", str(tmp_path / "b.backup")).exit_code == 0
    with tarfile.open(tmp_path / "b.backup") as tar:
        settings = json.load(tar.extractfile("settings.json") or pytest.fail("none"))
    assert settings["RUN_DAYS"] == "500"
    assert settings["QUANTLAB_SOURCE"] == "sandbox"
    assert "TWSE_URL" not in settings


def test_when_it_was_made_is_said_in_taipeis_time(file: Path, run: Run) -> None:
    made_at = datetime.fromisoformat(json.loads(run("restore", str(file), "--dry-run", "--json").output)["made_at"])
    there = made_at.astimezone(timezone(timedelta(hours=8)))
    said = " ".join(run("restore", str(file), "--dry-run").output.split())
    assert f"made {there:%Y-%m-%d %H:%M:%S} (Taipei) by QuantLab" in said


def test_secrets_are_in_it_when_they_are_asked_for(held: Platform, run: Run, tmp_path: Path) -> None:
    (held.settings.alerts_file).write_text("json://user:pass@127.0.0.1\n")
    file = tmp_path / "b.backup"
    told = run("backup", str(file), "--with-secrets").output
    assert "secrets: admin-token, alerts" in told
    assert TOKEN not in told
    held.settings.alerts_file.unlink()
    held.settings.admin_token_file.write_text("another")
    assert run("restore", str(file), "--replace").exit_code == 0
    assert held.settings.admin_token_file.read_text().strip() == TOKEN
    assert stat.S_IMODE(held.settings.alerts_file.stat().st_mode) == 0o600


def test_secrets_come_into_a_home_that_is_not_there_yet(held: Platform, run: Run, tmp_path: Path) -> None:
    """As on a new host, where the database and the replies lie on servers of their own."""
    file, home = tmp_path / "b.backup", tmp_path / "new/sandbox"
    assert run("backup", str(file), "--with-secrets").exit_code == 0
    to = restore.Destination(url_of(held), "sandbox", home, None, own_server=False)
    restore.restore(file, to, pg_restore=command.pg_tool("pg_restore"), replace=True, by=BY, told=_silent)
    assert (home / "admin-token").read_text().strip() == TOKEN
    assert stat.S_IMODE((home / "admin-token").stat().st_mode) == 0o600


@pytest.mark.parametrize("cut", [0, 100, -1, -40, -5_000])
def test_a_cut_file_is_refused_before_anything_is_done(file: Path, held: Platform, run: Run, cut: int) -> None:
    content = file.read_bytes()
    file.write_bytes(content[:cut])
    _refused(file, held, run, "is no backup of QuantLab, or its end is missing")


def test_a_pipe_is_refused_and_not_waited_for(file: Path, held: Platform, run: Run) -> None:
    file.unlink()
    os.mkfifo(file)
    _refused(file, held, run, "is no file")


def test_a_path_that_cannot_even_be_looked_at_is_said_in_a_sentence(run: Run, tmp_path: Path) -> None:
    """Here for its length; a folder of somebody else's is refused by the same call."""
    done = run("restore", str(tmp_path / ("x" * 300)), "--dry-run")
    assert isinstance(done.exception, InvalidParameter), done.exception
    assert "cannot be read (File name too long)" in str(done.exception)


@pytest.mark.parametrize("place", [0.0, 0.3, 0.6, 0.9, 1.0])
def test_an_altered_file_is_refused_before_anything_is_done(file: Path, held: Platform, run: Run, place: float) -> None:
    content = bytearray(file.read_bytes())
    content[min(int(len(content) * place), len(content) - 3)] ^= 1
    file.write_bytes(content)
    _refused(file, held, run, "is damaged: its SHA-256")


def _refused(file: Path, held: Platform, run: Run, why: str) -> None:
    before = tables(url_of(held)), files(held.settings.data_dir), databases(url_of(held))
    for words in (("--replace",), ("--dry-run",)):
        done = run("restore", str(file), *words)
        assert isinstance(done.exception, InvalidParameter), done.output
        assert why in str(done.exception)
    assert (tables(url_of(held)), files(held.settings.data_dir), databases(url_of(held))) == before


def test_what_a_platform_holds_goes_only_when_that_is_said(file: Path, held: Platform, run: Run) -> None:
    url, archive = url_of(held), held.settings.data_dir / "archive"
    then, replies = tables(url), files(archive)
    with psycopg.connect(url) as connection:
        connection.execute("DELETE FROM bars")
        connection.execute("DELETE FROM units")
    next(archive.rglob("*.gz")).write_bytes(b"another")
    now = tables(url)
    refused = run("restore", str(file))
    assert isinstance(refused.exception, InvalidParameter)
    assert "say --replace" in str(refused.exception)
    assert run("restore", str(file), "--dry-run").exit_code == 0
    assert tables(url) == now

    before = databases(url)
    with psycopg.connect(url) as somebody:  # who is in the database is sent away, and may come back
        somebody.execute("SELECT 1")
        done = run("restore", str(file), "--replace")
        assert done.exit_code == 0, (done.output, done.exception)
        with pytest.raises(psycopg.OperationalError):
            somebody.execute("SELECT 1")
    after = tables(url)
    assert len(after.pop("audit")) == len(then.pop("audit")) + 1
    for one in (after, then):
        one.pop("sequences")  # the audit's has gone on
    assert after == then
    assert files(archive) == replies
    assert databases(url) == before
    assert sorted(path.name for path in archive.parent.glob("archive*")) == ["archive"]


@pytest.mark.parametrize("where", ["tool", "count", "swap"])
def test_a_restore_that_fails_leaves_everything_as_it_was(
    file: Path, held: Platform, run: Run, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    url = url_of(held)
    before = tables(url), files(held.settings.data_dir), databases(url)
    error: type[QuantLabError] = StoreError
    if where == "tool":
        monkeypatch.setattr(command, "pg_tool", lambda _: Path("/bin/false"))
    elif where == "count":  # a trigger of the database itself swallows a row while it is loaded
        real = dumps.Server.load

        def load(server: dumps.Server, *given: Any, **more: Any) -> None:
            real(server, *given, **more)
            with psycopg.connect(server.url_of(server.new)) as connection:
                connection.execute("DELETE FROM bars WHERE session = '2026-11-20'")

        monkeypatch.setattr(dumps.Server, "load", load)
    else:
        monkeypatch.setattr(dumps, "_TRIES", 0)
        error = StoreUnavailable
    done = run("restore", str(file), "--replace")
    assert isinstance(done.exception, error), (done.output, done.exception)
    assert (tables(url), files(held.settings.data_dir), databases(url)) == before


def test_a_disk_without_room_is_found_before_anything_is_written(
    file: Path, held: Platform, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = tables(url_of(held)), files(file.parent)
    for module in (back_up, restore):
        monkeypatch.setattr(module, "_SPARE", 10**18)
    for words in (("backup", str(file.with_name("c.backup"))), ("restore", str(file), "--replace")):
        done = run(*words)
        assert isinstance(done.exception, ConfigurationError), done.output
        assert "make room" in str(done.exception)
    assert (tables(url_of(held)), files(file.parent)) == before


def test_a_backup_is_whole_or_not_there(file: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = file.read_bytes()
    assert isinstance(run("backup", str(file)).exception, InvalidParameter)
    assert file.read_bytes() == content
    assert isinstance(run("backup", str(tmp_path / "none/c.backup")).exception, InvalidParameter)
    killed, lives = (tmp_path / f".{name}.quantlab-backup-under-way" for name in ("killed", "lives"))
    killed.touch()
    with lives.open("w") as writes:
        fcntl.flock(writes, fcntl.LOCK_EX)
        assert run("backup", str(tmp_path / "d.backup")).exit_code == 0
    assert lives.exists()
    assert not killed.exists()
    monkeypatch.setattr(command, "pg_tool", lambda _: Path("/bin/false"))
    failed = run("backup", str(tmp_path / "c.backup"))
    assert isinstance(failed.exception, StoreError)
    assert "false failed" in str(failed.exception)
    assert not list(tmp_path.glob("*c.backup*"))


def test_another_source_is_refused(file: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUANTLAB_SOURCE", "exchange")
    get_settings.cache_clear()
    refused = run("restore", str(file), "--replace")
    assert isinstance(refused.exception, InvalidParameter)
    assert "this platform is exchange's" in str(refused.exception)


def test_what_a_killed_restore_left_is_no_hindrance(file: Path, held: Platform, run: Run) -> None:
    """Killed while it loaded, and between the two names that it gives to folders: it is done again, and that is all."""
    url, archive = url_of(held), held.settings.data_dir / "archive"
    before, replies, server = databases(url), files(archive), dumps.Server(url)
    with psycopg.connect(url, autocommit=True) as connection:
        for name in (server.new, f"{server.current}_replaced"):
            connection.execute(f'CREATE DATABASE "{name}"')  # type: ignore[call-overload]
    (archive.with_name("archive.restoring") / "twse").mkdir(parents=True)
    archive.rename(archive.with_name("archive.replaced"))
    done = run("restore", str(file), "--replace")
    assert done.exit_code == 0, (done.output, done.exception)
    assert databases(url) == before
    assert files(archive) == replies
    assert sorted(path.name for path in archive.parent.glob("archive*")) == ["archive"]


def test_a_restore_killed_before_the_database_was_replaced_costs_no_reply(
    file: Path, held: Platform, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed between replies and database, and another one fails: the replies are those of the database that stayed."""
    url, archive = url_of(held), held.settings.data_dir / "archive"
    (archive / "twse/later.gz").write_bytes(b"came after the backup")
    before, replies = tables(url), files(archive)

    class KilledError(BaseException):
        pass

    def kill(*_: object) -> None:
        raise KilledError

    with monkeypatch.context() as killed:  # of a process that is killed nothing cleans up
        killed.setattr(dumps.Server, "take_place", kill)
        killed.setattr(dumps.Server, "discard", lambda _: None)
        killed.setattr(restore.shutil, "rmtree", lambda *_, **__: None)
        settle, calls = restore._Replies.settle, []
        killed.setattr(restore._Replies, "settle", lambda self: calls.append(1) or len(calls) > 1 or settle(self))
        with pytest.raises(KilledError):
            restore.restore(
                file, _destination(held), pg_restore=command.pg_tool("pg_restore"), replace=True, by=BY, told=_silent
            )
    assert files(archive) != replies
    told = run("doctor", "--check", "archive").output
    assert "A restore was killed" in told
    (archive / "twse/meanwhile.gz").write_bytes(b"a worker went on")

    monkeypatch.setattr(command, "pg_tool", lambda _: Path("/bin/false"))
    assert isinstance(run("restore", str(file), "--replace").exception, StoreError)
    kept = files(archive)
    assert kept.pop("twse/meanwhile.gz")[0] == b"a worker went on"
    assert kept == replies
    assert tables(url) == before
    assert sorted(path.name for path in archive.parent.glob("archive*")) == ["archive"]


def test_a_restore_killed_after_the_database_was_replaced_keeps_the_new_replies(
    file: Path, held: Platform, run: Run
) -> None:
    url, archive = url_of(held), held.settings.data_dir / "archive"
    replies, server = files(archive), dumps.Server(url)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{server.current}_replaced"')  # type: ignore[call-overload]
    (archive.with_name("archive.replaced") / "twse").mkdir(parents=True)
    assert isinstance(run("restore", str(file)).exception, InvalidParameter)
    assert files(archive) == replies
    assert sorted(path.name for path in archive.parent.glob("archive*")) == ["archive"]


def test_replies_that_lie_on_another_disk_by_a_link_are_replaced_there(
    file: Path, held: Platform, run: Run, tmp_path: Path
) -> None:
    """And a later restore, that is refused, does not bring back what they replaced."""
    archive, disk = held.settings.data_dir / "archive", tmp_path / "disk"
    replies = files(archive)
    disk.mkdir()
    archive.rename(disk / "replies")
    archive.symlink_to(disk / "replies")
    (archive / "twse/later.gz").write_bytes(b"came after the backup")
    done = run("restore", str(file), "--replace")
    assert done.exit_code == 0, (done.output, done.exception)
    assert isinstance(run("restore", str(file)).exception, InvalidParameter)
    assert archive.is_symlink()
    assert files(archive.resolve()) == replies
    assert [path.name for path in disk.iterdir()] == ["replies"]
    assert sorted(path.name for path in archive.parent.glob("archive*")) == ["archive"]
    assert " ok " in run("doctor", "--check", "archive").output


def test_replies_that_could_not_all_be_removed_do_not_come_back(
    file: Path, held: Platform, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = held.settings.data_dir / "archive"
    replies = files(archive)
    (archive / "twse/another.gz").write_bytes(b"came after the backup")
    with monkeypatch.context() as refused:  # as of a file that somebody made immutable
        refused.setattr(restore.shutil, "rmtree", lambda *_, **__: None)
        assert run("restore", str(file), "--replace").exit_code == 0
    assert files(archive) == replies
    assert " ok " in run("doctor", "--check", "archive").output
    assert isinstance(run("restore", str(file)).exception, InvalidParameter)
    assert files(archive) == replies
    assert sorted(path.name for path in archive.parent.glob("archive*")) == ["archive"]


def test_a_disk_that_is_mounted_at_the_archive_itself_is_said_in_a_sentence(
    file: Path, held: Platform, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = tables(url_of(held)), files(held.settings.data_dir)
    archive = str(held.settings.data_dir / "archive")
    monkeypatch.setattr(restore.os.path, "ismount", lambda path: str(path) == archive)
    done = run("restore", str(file), "--replace")
    assert isinstance(done.exception, ConfigurationError), done.exception
    assert f"{archive} is where a disk is mounted" in str(done.exception)
    assert (tables(url_of(held)), files(held.settings.data_dir)) == before


@contextmanager
def no_file_above(size: int) -> Iterator[None]:
    """The kernel itself refuses what would make a file longer."""
    plain, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (plain, hard))
        signal.signal(signal.SIGXFSZ, before)


def test_replies_that_the_disk_refuses_midway_are_said_in_a_sentence(file: Path, held: Platform, run: Run) -> None:
    before = tables(url_of(held)), files(held.settings.data_dir), databases(url_of(held))
    with no_file_above(10):
        done = run("restore", str(file), "--replace")
    assert isinstance(done.exception, ConfigurationError), (done.output, done.exception)
    assert "nothing could be written (File too large), and nothing was replaced" in str(done.exception)
    assert (tables(url_of(held)), files(held.settings.data_dir), databases(url_of(held))) == before
    assert not list(held.settings.data_dir.glob("archive.*"))


def test_a_disk_that_is_full_midway_is_said_in_a_sentence(held: Platform, run: Run, tmp_path: Path) -> None:
    """Which is found while the database is written."""
    with no_file_above(20_000):
        done = run("backup", str(tmp_path / "big.backup"))
    assert isinstance(done.exception, ConfigurationError), (done.output, done.exception)
    assert "could not be written (File too large), and nothing is left of it" in str(done.exception)
    assert not list(tmp_path.glob("*big.backup*"))
    assert isinstance(run("backup", str(tmp_path / ("x" * 300))).exception, InvalidParameter)


def forge(file: Path, member: str, name: str, change: Callable[[bytes], bytes]) -> None:
    """The backup with one member changed, and a right checksum: as a fork may write it, or who means ill."""
    with tarfile.open(file) as tar:
        members = [(one.name, cast("IO[bytes]", tar.extractfile(one)).read()) for one in tar]
    body = io.BytesIO()
    writer = backup_file.Writer(body)
    for old, content in members:
        writer.add(*((name, change(content)) if old == member else (old, content)))
    body.write(b"\0" * 1024)
    text = body.getvalue()
    file.write_bytes(text + backup_file._MARK + hashlib.sha256(text).hexdigest().encode() + b"\n")


def with_values(**values: object) -> Callable[[bytes], bytes]:
    """Of a manifest; None takes one away."""
    return lambda content: json.dumps(
        {name: value for name, value in {**json.loads(content), **values}.items() if value is not None}
    ).encode()


@pytest.mark.parametrize(
    ("place", "change", "why"),
    [
        ("manifest.json", with_values(format=None), "'format'"),
        ("manifest.json", with_values(secrets=None), "secrets: Field required"),
        ("manifest.json", with_values(secrets=7), "secrets: Input should be a valid tuple"),
        ("manifest.json", with_values(database_bytes=-1), "database_bytes: Input should be greater"),
        ("manifest.json", with_values(rows={"bars": "many"}), "rows.bars: Input should be"),
        ("manifest.json", with_values(revision=[9]), "revision: Input should be a valid string"),
        ("manifest.json", lambda _: b"[" * 100_000, "no backup"),
        ("manifest.json", lambda _: b"\xff{", "no backup"),
        ("manifest.json > manifesto.json", bytes, "no backup"),
        ("database.dump > a.dump", bytes, "a.dump, which no backup does"),
        ("database.dump > replies/a.gz/b.gz", bytes, "no database.dump"),
        ("settings.json > replies/../../settings.json", bytes, "settings.json, which no backup does"),
        ("settings.json > replies", bytes, "replies, which no backup does"),
        ("settings.json > database.dump/it", bytes, "database.dump/it, which no backup does"),
    ],
)
def test_a_forged_backup_is_none(file: Path, run: Run, place: str, change: Callable[[bytes], bytes], why: str) -> None:
    member, _, name = place.partition(" > ")
    forge(file, member, name or member, change)
    for words in (["--dry-run"], ["--replace"]):
        refused = run("restore", str(file), *words)
        assert isinstance(refused.exception, InvalidParameter), refused.exception
        assert why in str(refused.exception)


def test_two_restores_do_not_meet(file: Path, held: Platform, run: Run) -> None:
    with dumps.Server(url_of(held)).alone():
        refused = run("restore", str(file), "--replace")
    assert "Another restore is under way" in str(refused.exception)
