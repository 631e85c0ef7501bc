"""A PostgreSQL that is there and does not answer: stopped by SIGSTOP, as swapping or a cut cable look from here."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from sqlalchemy import text

from app.errors import StoreUnavailable
from app.runtime.account import server_account
from app.runtime.ports import free_port
from app.runtime.postgres import Postgres
from app.store.engine import make_engine, transaction
from tests.conftest import running, wait_until


@contextmanager
def frozen(pid: int) -> Iterator[None]:
    """The process and all that it started stand still within the block."""
    parent = psutil.Process(pid)
    family = [parent, *parent.children(recursive=True)]
    for process in family:
        process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        for process in family:
            process.send_signal(signal.SIGCONT)


@pytest.fixture(scope="module")
def own_server(server_folder: Path) -> Iterator[tuple[str, int]]:
    """Address and pid of a PostgreSQL that only these tests use."""
    server = Postgres(server_folder / f"frozen-{os.getpid()}", free_port(), server_account(), durable=False)
    server.prepare()
    with running(server.program(), server_folder / "frozen.log") as child:
        yield server.url(), child.pid


def took(action: Callable[[], object]) -> float:
    start = time.monotonic()
    with pytest.raises(StoreUnavailable):
        action()
    return time.monotonic() - start


def test_a_frozen_server_is_noticed_and_forgiven(own_server: tuple[str, int]) -> None:
    url, pid = own_server
    engine = make_engine(url, application_name="test", statement_timeout=1.0)

    def ask() -> None:
        with transaction(engine) as connection:
            connection.execute(text("SELECT 1"))

    ask()
    with frozen(pid):
        # A pooled connection: the ping gives up, then a new connection does.
        assert took(ask) < 9
        # Whoever needs it again does not wait as long again.
        assert took(ask) < 1
    wait_until(lambda: answers(ask), what="PostgreSQL's return")
    engine.dispose()


def answers(ask: Callable[[], None]) -> bool:
    try:
        ask()
    except StoreUnavailable:
        return False
    return True


def test_a_server_that_freezes_amid_a_transaction(own_server: tuple[str, int]) -> None:
    url, pid = own_server
    engine = make_engine(url, application_name="test", statement_timeout=1.0)

    def ask() -> None:
        with transaction(engine) as connection:
            connection.execute(text("SELECT 1"))
            with frozen(pid):
                connection.execute(text("SELECT 2"))

    assert took(ask) < 4
    with transaction(engine) as connection:
        assert connection.scalar(text("SELECT 3")) == 3
    engine.dispose()


def test_a_statement_that_takes_too_long_is_ended_by_the_server(own_server: tuple[str, int]) -> None:
    engine = make_engine(own_server[0], application_name="test", statement_timeout=0.2)
    with pytest.raises(StoreUnavailable, match="statement timeout"), transaction(engine) as connection:
        connection.execute(text("SELECT pg_sleep(5)"))
    with transaction(engine) as connection:
        assert connection.scalar(text("SELECT 1")) == 1
    engine.dispose()
