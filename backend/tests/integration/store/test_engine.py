from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError, ProgrammingError

from app.errors import ConfigurationError, InvalidParameter, StoreUnavailable
from app.market.security import Venue
from app.store.engine import make_engine, single, snapshot, transaction
from app.store.securities import register_unlisted
from tests.integration.store.samples import NOW


@pytest.mark.parametrize("prefix", ["postgresql://", "postgresql+psycopg://"])
def test_both_forms_of_an_address_reach_psycopg(database_url: str, prefix: str) -> None:
    engine = make_engine(prefix + database_url.removeprefix("postgresql://"), application_name="who asks")
    with transaction(engine) as connection:
        name = connection.scalar(text("SELECT application_name FROM pg_stat_activity WHERE pid = pg_backend_pid()"))
        assert name == "who asks"
        assert connection.scalar(text("SHOW timezone")) == "UTC"
        assert isinstance(connection.connection.driver_connection, psycopg.Connection)
    engine.dispose()


@pytest.mark.parametrize("url", ["mysql://me:secret@host/x", "no address", "sqlite://"])
def test_another_address_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(ConfigurationError, match="DATABASE_URL") as caught:
        make_engine(url, application_name="tests")
    assert "secret" not in str(caught.value)


def test_an_option_that_libpq_does_not_know_is_said_in_a_sentence() -> None:
    engine = make_engine("postgresql://me:secret@127.0.0.1/x?foo=secret", application_name="tests")
    with (
        pytest.raises(ConfigurationError, match=r'DATABASE_URL cannot be read: .*"foo"') as caught,
        transaction(engine),
    ):
        pass
    assert "secret" not in str(caught.value)


def test_a_server_that_is_away_is_unavailable(free_port: Callable[[], int]) -> None:
    engine = make_engine(f"postgresql://me:secret@127.0.0.1:{free_port()}/x", application_name="tests")
    with pytest.raises(StoreUnavailable, match="refused") as caught, transaction(engine):
        pass
    assert "secret" not in str(caught.value)


def test_a_lost_connection_is_unavailable_and_the_next_one_works(engine: Engine, database_url: str) -> None:
    def lose() -> None:
        with transaction(engine) as connection:
            pid = connection.scalar(text("SELECT pg_backend_pid()"))
            with psycopg.connect(database_url, autocommit=True) as other:
                other.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
            connection.execute(text("SELECT 1"))

    with pytest.raises(StoreUnavailable):
        lose()
    with transaction(engine) as connection:
        assert connection.scalar(text("SELECT 1")) == 1


@pytest.mark.parametrize("trusted", [0.0, 60.0])
def test_only_a_trusted_server_is_not_asked_whether_it_is_there(database_url: str, trusted: float) -> None:
    engine = make_engine(database_url, application_name="tests", trusted=trusted)

    def ask() -> int:
        with single(engine) as connection:
            return int(connection.exec_driver_sql("SELECT pg_backend_pid()", {}).fetchone()[0])

    pid = ask()
    with psycopg.connect(database_url, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
    if trusted:
        with pytest.raises(StoreUnavailable):
            ask()
    assert ask() != pid
    engine.dispose()


def test_a_slow_statement_is_stopped(database_url: str) -> None:
    engine = make_engine(database_url, application_name="tests", statement_timeout=0.05)
    with pytest.raises(StoreUnavailable, match="statement timeout"), transaction(engine) as connection:
        connection.execute(text("SELECT pg_sleep(5)"))
    engine.dispose()


def test_a_full_pool_is_unavailable(database_url: str) -> None:
    engine = make_engine(database_url, application_name="tests", pool_size=1)
    engine.pool._timeout = 0.05  # type: ignore[attr-defined]
    with (
        transaction(engine),
        transaction(engine),
        pytest.raises(StoreUnavailable, match="in use"),
        transaction(engine),
    ):
        pass
    engine.dispose()


def test_our_own_mistakes_are_not_called_unavailable(engine: Engine) -> None:
    with pytest.raises(ProgrammingError), transaction(engine) as connection:
        connection.execute(text("SELECT nonsense"))
    with pytest.raises(IntegrityError), transaction(engine) as connection:
        register_unlisted(connection, Venue.TWSE, {"no symbol": "x"}, at=NOW)


@pytest.mark.parametrize("kind", [transaction, snapshot])
@pytest.mark.parametrize("value", ["no\0text", os.fsdecode(b"\xff secret")])
def test_what_is_no_text_is_a_wrong_parameter_and_is_not_quoted(engine: Engine, kind: Any, value: str) -> None:
    """Such as a byte of the command line that is no UTF-8, and a NUL."""
    with pytest.raises(InvalidParameter, match="PostgreSQL cannot take a value") as caught, kind(engine) as connection:
        connection.scalar(text("SELECT CAST(:value AS text)"), {"value": value})
    assert "secret" not in str(caught.value)
    with kind(engine) as connection:
        assert connection.scalar(text("SELECT 1")) == 1


def test_a_snapshot_sees_one_state_and_writes_nothing(engine: Engine) -> None:
    with snapshot(engine) as reader:
        assert reader.scalar(text("SELECT count(*) FROM securities")) == 0
        with transaction(engine) as writer:
            register_unlisted(writer, Venue.TWSE, {"2330": "台積電"}, at=NOW)
        assert reader.scalar(text("SELECT count(*) FROM securities")) == 0
    with pytest.raises(Exception, match="read-only"), snapshot(engine) as reader:
        register_unlisted(reader, Venue.TWSE, {"2317": "鴻海"}, at=NOW)


def test_a_single_statement_is_kept_by_itself_and_leaves_the_connection_as_it_was(engine: Engine) -> None:
    named = "INSERT INTO tried VALUES (%(name)s)"
    with transaction(engine) as connection:
        connection.execute(text("CREATE TEMPORARY TABLE tried (name text PRIMARY KEY)"))
    with single(engine) as connection:
        connection.exec_driver_sql(named, {"name": "kept"})
        with pytest.raises(psycopg.errors.UniqueViolation):
            connection.exec_driver_sql(named, {"name": "kept"})
    with transaction(engine) as connection:
        connection.execute(text("INSERT INTO tried VALUES ('rolled back')"))
        connection.rollback()
    with transaction(engine) as connection:
        assert connection.scalars(text("SELECT name FROM tried")).all() == ["kept"]
        connection.execute(text("DROP TABLE tried"))


def test_a_connection_lost_between_single_statements(engine: Engine, database_url: str) -> None:
    def lose() -> None:
        with single(engine) as connection:
            (pid,) = connection.exec_driver_sql("SELECT pg_backend_pid()", {}).fetchone()
            with psycopg.connect(database_url, autocommit=True) as other:
                other.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
            connection.exec_driver_sql("SELECT 1", {})

    with pytest.raises(StoreUnavailable):
        lose()
    with single(engine) as connection:
        assert connection.exec_driver_sql("SELECT 1", {}).fetchone() == (1,)
