"""The embedded servers are real ones: started from the wheels, asked over their own protocols."""

from __future__ import annotations

import importlib.util
import os
import stat
import subprocess
from pathlib import Path

import psycopg
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from app.errors import ConfigurationError
from app.runtime import postgres
from app.runtime.account import Account, server_account
from app.runtime.ports import free_port, is_taken
from app.runtime.postgres import Postgres
from app.runtime.valkey import Valkey


def test_postgres_serves_a_database_in_utf8_and_utc(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        facts = connection.execute(
            "SELECT current_setting('server_encoding'), current_setting('TimeZone'), current_setting('fsync')"
        ).fetchone()
        assert facts == ("UTF8", "UTC", "off")


def test_each_test_gets_a_database_of_its_own(database_url: str, postgres_server: Postgres) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute("CREATE TABLE only_here (n int)")
    with psycopg.connect(postgres_server.url()) as template:
        assert template.execute("SELECT to_regclass('only_here')").fetchone() == (None,)


def test_postgres_wants_the_password(postgres_server: Postgres) -> None:
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(f"postgresql://quantlab:wrong@127.0.0.1:{postgres_server.port}/quantlab")


def test_secrets_are_in_private_files_and_never_in_argv(postgres_server: Postgres, valkey_server: Valkey) -> None:
    for server in (postgres_server, valkey_server):
        password = server.home / "password"
        assert stat.S_IMODE(password.stat().st_mode) == 0o600
        assert password.read_text().strip() not in " ".join(server.program().argv)
    assert stat.S_IMODE((valkey_server.home / "valkey.conf").stat().st_mode) == 0o600


def test_preparing_again_keeps_the_cluster_and_the_password(postgres_server: Postgres) -> None:
    before = postgres_server.url()
    postgres_server.prepare()
    assert postgres_server.url() == before
    assert postgres_server.is_ready()


def test_data_of_another_version_is_refused_and_left_alone(server_folder: Path) -> None:
    old = Postgres(server_folder / "old", free_port(), server_account())
    old.data.mkdir(parents=True)
    (old.data / "PG_VERSION").write_text("13\n")
    old.home.chmod(0o711)
    with pytest.raises(ConfigurationError, match=r"made by PostgreSQL 13 .* brings PostgreSQL 18.*Nothing was changed"):
        old.prepare()
    assert [path.name for path in old.data.iterdir()] == ["PG_VERSION"]


def test_a_folder_that_is_no_cluster_is_refused(server_folder: Path) -> None:
    strange = Postgres(server_folder / "strange", free_port(), server_account())
    strange.data.mkdir(parents=True)
    strange.home.chmod(0o711)
    with pytest.raises(ConfigurationError, match="not a PostgreSQL data directory"):
        strange.prepare()


def test_valkey_wants_the_password_and_never_evicts(redis_url: str, valkey_server: Valkey) -> None:
    with redis.Redis.from_url(redis_url) as client:
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
    once = Retry(NoBackoff(), 0)
    with redis.Redis(port=valkey_server.port, retry=once) as stranger, pytest.raises(redis.AuthenticationError):
        stranger.ping()


def test_redis_is_empty_at_each_start(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        assert client.dbsize() == 0
        client.set("left", "over")


test_redis_is_empty_at_each_start_again = test_redis_is_empty_at_each_start


def test_a_server_that_does_not_run_is_not_ready(tmp_path: Path) -> None:
    assert not Valkey(tmp_path, free_port()).is_ready()


def test_ports(postgres_server: Postgres) -> None:
    assert is_taken(postgres_server.port)
    assert not is_taken(free_port())


def test_binaries_that_the_account_cannot_reach_are_copied_once(
    server_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "can_traverse", lambda *_: False)
    server = Postgres(server_folder / "copied", free_port(), Account("nobody", 65534, 65534))
    copied = server.binaries
    assert server.home in copied.parents
    said = subprocess.run([copied / "initdb", "--version"], capture_output=True, text=True, check=True).stdout
    assert "PostgreSQL" in said  # so the libraries beside it came along
    assert Postgres(server.home, free_port(), server.account).binaries == copied
    with pytest.raises(ConfigurationError, match="cannot reach"):
        server.prepare()


def test_a_lock_of_a_crashed_server_is_removed_and_a_living_ones_kept(
    tmp_path: Path, postgres_server: Postgres
) -> None:
    lock = postgres_server.data / "postmaster.pid"
    postgres_server._remove_stale_lock()
    assert lock.exists()
    crashed = Postgres(tmp_path, free_port(), None)
    crashed.data.mkdir()
    (crashed.data / "postmaster.pid").write_text(f"{os.getpid()}\n")  # a living program, and no server of this data
    crashed._remove_stale_lock()
    assert not (crashed.data / "postmaster.pid").exists()


def test_a_failing_command_of_postgres_is_told_with_its_words(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"initdb failed .*no-such-option"):
        Postgres(tmp_path, free_port(), None)._run("initdb", "--no-such-option")


def test_without_the_wheels_it_says_what_to_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigurationError, match="set DATABASE_URL"):
        _ = Postgres(tmp_path, free_port(), None).binaries
    with pytest.raises(ConfigurationError, match="set REDIS_URL"):
        _ = Valkey(tmp_path, free_port()).binary


def test_without_the_wheel_a_new_enough_server_on_path_serves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    for name, version in (("valkey-server", "6.0.16"), ("redis-server", "7.0.15")):
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\necho 'Redis server v={version} sha=0'\n")
        program.chmod(0o755)
    assert Valkey(tmp_path, free_port()).binary == tmp_path / "redis-server"
