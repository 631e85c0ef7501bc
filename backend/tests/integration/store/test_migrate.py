from __future__ import annotations

import threading
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import CheckConstraint, Connection, Engine, text

from app.errors import ConfigurationError, StoreUnavailable
from app.store import migrate, provenance
from app.store.engine import transaction
from app.store.tables import METADATA


def test_models_and_migrations_agree(connection: Connection) -> None:
    assert migrate.differences(connection) == []


def test_checks_of_the_models_are_in_the_database(connection: Connection) -> None:
    # Alembic compares no CHECK constraints, hence this.
    held = set(connection.scalars(text("SELECT conname FROM pg_constraint WHERE contype = 'c' AND conrelid <> 0")))

    wanted = {
        str(one.name)
        for table in METADATA.tables.values()
        for one in table.constraints
        if isinstance(one, CheckConstraint)
    }
    assert wanted == held


def test_an_empty_database_becomes_the_sources(empty_database_url: str) -> None:
    assert migrate.current(empty_database_url) is None
    assert migrate.upgrade(empty_database_url, source="exchange") == migrate.head()
    assert migrate.current(empty_database_url) == migrate.head()
    assert migrate.upgrade(empty_database_url, source="exchange") == migrate.head()
    with pytest.raises(ConfigurationError, match="'exchange', but 'sandbox' was asked for"):
        migrate.upgrade(empty_database_url, source="sandbox")


def test_two_at_once_are_safe(empty_database_url: str) -> None:
    results: list[str] = []
    work = [
        threading.Thread(target=lambda: results.append(migrate.upgrade(empty_database_url, source="sandbox")))
        for _ in range(4)
    ]
    for thread in work:
        thread.start()
    for thread in work:
        thread.join(60)
    assert results == [migrate.head()] * 4


def test_a_newer_database_is_left_alone(database_url: str, engine: Engine) -> None:
    with transaction(engine) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(ConfigurationError, match="revision 9999, which this code does not know"):
        migrate.upgrade(database_url, source="sandbox")


def test_a_failed_migration_leaves_nothing(empty_database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(connection: Connection, source: str) -> None:
        raise RuntimeError("power cut")

    monkeypatch.setattr(provenance, "record", fail)
    with pytest.raises(RuntimeError):
        migrate.upgrade(empty_database_url, source="sandbox")
    assert migrate.current(empty_database_url) is None


def test_the_way_down_is_whole(engine: Engine) -> None:
    tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version'"
    with transaction(engine) as connection:
        command.downgrade(migrate._config(connection), "base")
        assert connection.scalar(text(tables)) == 0


def test_missing_migrations_are_named(empty_database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrate, "MIGRATIONS", Path("/nowhere/migrations"))
    with pytest.raises(ConfigurationError, match="/nowhere/migrations"):
        migrate.upgrade(empty_database_url, source="sandbox")


def test_a_server_that_is_away(free_port: object) -> None:
    port = free_port()  # type: ignore[operator]
    with pytest.raises(StoreUnavailable, match="PostgreSQL"):
        migrate.upgrade(f"postgresql://me:secret@127.0.0.1:{port}/none", source="sandbox")
