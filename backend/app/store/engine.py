"""The way to PostgreSQL: an engine, and transactions whose failures are ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DataError, DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from app.errors import ConfigurationError, InvalidParameter, StoreUnavailable

__all__ = ["CONNECT_TIMEOUT", "Connection", "Engine", "make_engine", "snapshot", "transaction"]
# Connection and Engine are passed on for annotations: only the store imports SQLAlchemy itself.

CONNECT_TIMEOUT = 5
"""Seconds until a server that does not answer counts as away."""


def make_engine(
    url: str, *, application_name: str, pool_size: int = 5, statement_timeout: float | None = None
) -> Engine:
    """An engine over psycopg 3; no connection is made yet.

    Make it after the fork: connections must not be shared between processes.

    Args:
        url: ``postgresql://…`` or ``postgresql+psycopg://…``.
        application_name: shown in ``pg_stat_activity``, so that a person sees who holds what.
        pool_size: connections kept open; as many again may be opened for a while.
        statement_timeout: seconds after which the server stops a statement, or None.

    Raises:
        ConfigurationError: the address is not one of PostgreSQL.
    """
    try:
        address = make_url(url)
    except (ArgumentError, ValueError):
        # Neither the text nor what choked on it is shown: they may carry a password.
        raise ConfigurationError(
            "DATABASE_URL is no database address; write postgresql://user:password@host/name, with what is special in "
            "the password as %40 and the like."
        ) from None
    if address.get_backend_name() != "postgresql":
        raise ConfigurationError(f"DATABASE_URL names {address.get_backend_name()}; QuantLab keeps data in PostgreSQL.")
    options = "-c timezone=UTC"
    if statement_timeout is not None:
        options += f" -c statement_timeout={round(statement_timeout * 1000)}"
    return create_engine(
        address.set(drivername="postgresql+psycopg"),
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_timeout=30,
        pool_pre_ping=True,
        pool_recycle=1800,
        hide_parameters=True,  # an error must not print whole batches of rows, nor what a caller sent
        connect_args={
            "application_name": application_name,
            "connect_timeout": CONNECT_TIMEOUT,
            "options": options,
            # A peer that vanished without a word is noticed within a minute instead of two hours.
            "keepalives": 1,
            "keepalives_idle": 20,
            "keepalives_interval": 10,
            "keepalives_count": 3,
        },
    )


@contextmanager
def transaction(engine: Engine) -> Iterator[Connection]:
    """One transaction: committed when the block ends, rolled back when it raises.

    Raises:
        StoreUnavailable: PostgreSQL is away, shuts down, is out of resources, timed the statement out or broke a
            deadlock: nothing of the block was kept, and it is worth trying again.
    """
    with _own_errors(), engine.begin() as connection:
        yield connection


@contextmanager
def snapshot(engine: Engine) -> Iterator[Connection]:
    """A read-only transaction that sees the database as it was at its first statement, whatever is written meanwhile.

    Raises:
        StoreUnavailable: as ``transaction`` does.
    """
    isolated = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    with _own_errors(), isolated.begin() as connection:
        yield connection


@contextmanager
def _own_errors() -> Iterator[None]:
    try:
        yield
    except PoolTimeout as error:
        raise StoreUnavailable("All connections to PostgreSQL are in use; try again later.") from error
    except (OperationalError, psycopg.OperationalError) as error:
        raise StoreUnavailable(f"PostgreSQL could not do it: {_first_line(error)}.") from error
    except DataError as error:
        raise InvalidParameter(f"PostgreSQL cannot take a value: {_first_line(error)}.") from None
    except DBAPIError as error:
        if error.connection_invalidated:
            raise StoreUnavailable(f"The connection to PostgreSQL broke: {_first_line(error)}.") from error
        raise


def _first_line(error: Exception) -> str:
    cause = error.orig if isinstance(error, DBAPIError) else error
    return (str(cause).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
