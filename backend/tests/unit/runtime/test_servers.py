"""The embedded servers are real ones: started from the wheels, asked over their own protocols."""

from __future__ import annotations

import stat
from pathlib import Path

import psycopg
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from app.errors import ConfigurationError
from app.runtime.account import server_account
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
