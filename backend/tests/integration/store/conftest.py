from __future__ import annotations

import os
from collections.abc import Iterator

import psycopg
import pytest
from sqlalchemy import Connection, Engine

from app.runtime.postgres import Postgres
from app.store.engine import make_engine


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = make_engine(database_url, application_name="tests")
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def shared_engine(postgres_server: Postgres) -> Iterator[Engine]:
    """One database for all tests that never commit: a copy for each would take most of their time."""
    name = f"store_{os.getpid()}"
    with psycopg.connect(postgres_server.url("postgres"), autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name} TEMPLATE quantlab")
    engine = make_engine(postgres_server.url(name), application_name="tests")
    yield engine
    engine.dispose()


@pytest.fixture
def connection(shared_engine: Engine) -> Iterator[Connection]:
    """A transaction that is rolled back afterwards."""
    with shared_engine.connect() as connection:
        yield connection
