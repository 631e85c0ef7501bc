"""What keeps a start from beginning: each is one sentence that says what to do."""

from __future__ import annotations

import io
import json
import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from app.errors import ConfigurationError
from app.runtime import account, launch
from app.runtime.account import Account, can_traverse, make_folder, server_account
from app.runtime.instance import announced, sole_instance
from app.runtime.layout import Layout
from app.runtime.machine import check_port, check_room
from app.runtime.merged_log import MergedLog
from app.runtime.ports import answers_http, free_port
from app.runtime.programs import flower, platform, sandbox
from app.runtime.ready_text import ready_text
from app.runtime.secret_file import kept_secret


def test_a_taken_port_names_the_program_and_another_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(ConfigurationError, match=rf"Port {port} is taken.*make up PORT=\d+"):
            check_port(port, "127.0.0.1")
    check_port(free_port(), "127.0.0.1")


def test_a_full_disk_is_told_with_the_figure(tmp_path: Path) -> None:
    check_room(tmp_path, needed_mb=1)
    with pytest.raises(ConfigurationError, match=r"Only \d+ MB are free .* needs 10000000000 MB"):
        check_room(tmp_path, needed_mb=10_000_000_000)


def test_one_instance_a_home(tmp_path: Path) -> None:
    with sole_instance(tmp_path / "home", account=None):
        with announced(tmp_path / "home", source="sandbox", environment={"A": "b"}, web="http://localhost:3999"):
            path = tmp_path / "home/running.json"
            facts = json.loads(path.read_text())
            assert facts == {
                "source": "sandbox",
                "environment": {"A": "b"},
                "pid": os.getpid(),
                "web": "http://localhost:3999",
            }
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            with (
                pytest.raises(ConfigurationError, match=rf"already running at http.*3999 \(pid {os.getpid()}\)"),
                sole_instance(tmp_path / "home", account=None),
            ):
                pass
        assert not path.exists()
        path.write_text("{}")  # as a kill -9 would leave it
    with sole_instance(tmp_path / "home", account=None):
        assert not path.exists()


def test_a_home_that_cannot_be_made_or_written_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(ConfigurationError, match="cannot be created"),
        sole_instance(tmp_path / "file/home", account=None),
    ):
        pass
    (tmp_path / "home/up.lock").mkdir(parents=True)
    with pytest.raises(ConfigurationError, match="cannot be written"), sole_instance(tmp_path / "home", account=None):
        pass


def test_folders_are_private_unless_another_account_must_pass(tmp_path: Path) -> None:
    other = Account("nobody", 65534, 65534)
    assert stat.S_IMODE(make_folder(tmp_path / "a/b", account=None).stat().st_mode) == 0o700
    assert stat.S_IMODE(make_folder(tmp_path / "c/d", account=other).stat().st_mode) == 0o711
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o700
    assert not can_traverse(tmp_path / "a/b", other)
    assert can_traverse(Path("/usr/bin"), other)


def test_who_owns_a_folder_decides_which_bits_count(tmp_path: Path) -> None:
    facts = tmp_path.stat()
    tmp_path.chmod(0o700)
    ours, grouped = Account("us", facts.st_uid, facts.st_gid), Account("group", facts.st_uid + 1, facts.st_gid)
    assert account._allows(tmp_path, ours)
    assert not account._allows(tmp_path, grouped)


def test_root_drops_to_nobody_and_says_so_where_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert server_account() is None
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(account, "UNPRIVILEGED", "no-such-user")
    with pytest.raises(ConfigurationError, match="no user no-such-user"):
        server_account()


def test_a_secret_is_made_once_and_kept(tmp_path: Path) -> None:
    first = kept_secret(tmp_path / "token")
    assert len(first) == 32
    assert kept_secret(tmp_path / "token") == first


def test_nothing_answers_on_a_free_port() -> None:
    assert not answers_http(free_port(), "/")


def layout(folder: Path, **facts: object) -> Layout:
    given = {"source": "sandbox", "host": "127.0.0.1", "port": 3999, "environment": {"PATH": "/bin"}} | facts
    return Layout(home=folder, backend=folder, **given)  # type: ignore[arg-type]


def test_programs_get_secrets_by_environment_and_never_by_argv(tmp_path: Path) -> None:
    (tmp_path / "sandbox").mkdir()
    here = layout(tmp_path)
    servers = {"DATABASE_URL": "postgresql://u:secret@h/d", "REDIS_URL": "redis://:secret@h/0"}
    programs = [*platform(here, servers), flower(here, servers), sandbox(here, 4999)]
    assert [program.name for program in programs] == ["worker", "beat", "web", "flower", "sandbox"]
    for program in programs:
        assert "secret" not in " ".join(program.argv)
        assert program.environment["PATH"] == "/bin"
    assert programs[3].environment["FLOWER_BASIC_AUTH"].startswith("quantlab:")
    assert programs[3].environment["FLOWER_BASIC_AUTH"].split(":")[1] not in " ".join(programs[3].argv)


def test_the_ready_text_tells_synthetic_prices_loudly(tmp_path: Path) -> None:
    said = ready_text(layout(tmp_path, sandbox_port=4999), with_flower=True)
    assert "http://localhost:3999/admin" in said
    assert "SYNTHETIC" in said
    assert "NOT real prices" in said
    real = ready_text(layout(tmp_path, source="exchange"), with_flower=False)
    assert "SYNTHETIC" not in real
    assert "Flower" not in real


def test_the_first_password_is_told_once_and_stands_in_no_file(tmp_path: Path) -> None:
    assert "Login" not in ready_text(layout(tmp_path), with_flower=True)
    told = ready_text(layout(tmp_path), with_flower=True, password="sesame-sesame")
    assert "Login        admin / sesame-sesame  (shown this once" in told
    terminal = io.StringIO()
    log = MergedLog(terminal)
    log.write_files_to(tmp_path)
    log.say(told, secret="sesame-sesame")
    log.close()
    assert "admin / sesame-sesame" in terminal.getvalue()
    kept = (tmp_path / "quantlab.log").read_text() + "\n".join(log.tail("quantlab", 99))
    assert "admin / …" in kept
    assert "sesame" not in kept


def test_launching_for_a_parent_that_is_gone_starts_nothing() -> None:
    command = [sys.executable, "-I", "-S", launch.__file__, "1", "15", "-1", "-1", "echo", "started"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout) == (launch.CANNOT_START, "")
