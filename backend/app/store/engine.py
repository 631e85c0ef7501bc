"""The way to PostgreSQL: an engine, and transactions whose failures are ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any, Protocol, cast

import psycopg
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DataError, DBAPIError, DisconnectionError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from app import spans
from app.errors import ConfigurationError, InvalidParameter, StoreError, StoreUnavailable
from app.store.bounded import BoundedConnection
from app.store.traced import TracedCursor

__all__ = [
    "CONNECT_TIMEOUT",
    "Connection",
    "Engine",
    "Statements",
    "driver",
    "first_line",
    "if_it_can",
    "make_engine",
    "single",
    "snapshot",
    "transaction",
]
# Connection and Engine are passed on for annotations: only the store imports SQLAlchemy itself.

CONNECT_TIMEOUT = 5
"""Seconds until a server that does not answer counts as away."""
PING_TIMEOUT = 2.0
"""Seconds for a connection from the pool to show that its server is still there."""
SULK = 3.0
"""Seconds for which a server that did not answer is not tried again: who needs it several times waits once."""
LONGEST_STATEMENT = 600.0
"""Seconds; no statement of ours takes nearly so long, and none may wait for ever."""
LONGEST_PAUSE = 15
"""Seconds between two statements of a transaction. Who was frozen or cut off within one must not keep its locks."""


class Statements(Protocol):
    """Who takes a statement in psycopg's own words: SQLAlchemy's connection, or that of ``single``."""

    def exec_driver_sql(self, statement: str, parameters: dict[str, Any], /) -> Any:
        """Do it; what is returned has ``fetchone``."""


READ_ONLY = "PostgreSQL takes no changes: it is read-only, as a standby is before it takes over."


def make_engine(
    url: str,
    *,
    application_name: str,
    pool_size: int = 5,
    statement_timeout: float = LONGEST_STATEMENT,
    zone: str | None = "UTC",
    trusted: float = 0.0,
) -> Engine:
    """An engine over psycopg 3; no connection is made yet.

    Make it after the fork: connections must not be shared between processes. Nothing waits for ever on it: a server
    that is there and does not answer (frozen, swapping, cut off) is given up shortly after *statement_timeout*.

    Args:
        url: ``postgresql://…`` or ``postgresql+psycopg://…``.
        application_name: shown in ``pg_stat_activity``, so that a person sees who holds what.
        pool_size: connections kept open; as many again may be opened for a while.
        statement_timeout: seconds after which the server stops a statement.
        trusted: seconds since its last answer for which a server is not asked whether it is there: an exchange less.
        zone: of the sessions; None: whatever the server says to who asks for none, as ``psql`` does.

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
    options = f"-c statement_timeout={round(statement_timeout * 1000)}" + (f" -c timezone={zone}" if zone else "")
    options += f" -c idle_in_transaction_session_timeout={LONGEST_PAUSE}s"
    engine = create_engine(
        address.set(drivername="postgresql+psycopg"),
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_timeout=min(30.0, statement_timeout),
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

    silent_until = float("-inf")

    @event.listens_for(engine, "do_connect")
    def _connect(_dialect: object, _record: object, _args: object, parameters: dict[str, Any]) -> BoundedConnection:
        nonlocal silent_until
        if monotonic() < silent_until:
            raise psycopg.errors.ConnectionTimeout("the server did not answer a moment ago")
        if spans.is_on():
            parameters["cursor_factory"] = TracedCursor
        try:
            connection = BoundedConnection.connect(**parameters)
        except psycopg.errors.ConnectionTimeout:
            silent_until = monotonic() + SULK
            raise
        except psycopg.ProgrammingError as error:  # of an option that libpq does not know; it quotes its name alone
            raise ConfigurationError(f"DATABASE_URL cannot be read: {first_line(error)}.") from None
        # A living server ends the statement itself, a moment earlier and with a better word.
        connection.patience = statement_timeout + 1
        return connection

    @event.listens_for(engine, "checkout")
    def _ping(connection: BoundedConnection, _record: object, _proxy: object) -> None:
        # In place of pool_pre_ping, which would wait as long as a statement may take.
        try:
            connection.ping(within=PING_TIMEOUT, unless_within=trusted)
        except psycopg.Error as error:
            raise DisconnectionError(str(error)) from error

    return engine


def driver(connection: Connection) -> psycopg.Connection[tuple[object, ...]]:
    """The connection of psycopg itself, in the same transaction: SQLAlchemy knows no COPY."""
    found = connection.connection.driver_connection
    if not isinstance(found, psycopg.Connection):
        raise StoreError(f"The store speaks through psycopg 3, not {type(found).__module__}.")
    return found


@contextmanager
def transaction(engine: Engine) -> Iterator[Connection]:
    """One transaction: committed when the block ends, rolled back when it raises.

    Raises:
        StoreUnavailable: PostgreSQL is away, shuts down, is out of resources, timed the statement out or broke a
            deadlock, or takes no changes at this time: nothing of the block was kept, and it is worth trying again.
    """
    with _own_errors(), engine.begin() as connection:
        yield connection


class _Single:
    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    def exec_driver_sql(self, statement: str, parameters: dict[str, Any], /) -> psycopg.Cursor[Any]:
        # The texts are the store's own; values are always parameters.
        return self._connection.execute(statement.encode(), parameters)


@contextmanager
def single(engine: Engine) -> Iterator[Statements]:
    """For statements each of which is a transaction by itself, and committed when it returns.

    Without BEGIN and COMMIT there is one exchange with the server instead of three, and without SQLAlchemy half the
    work on this side. Worth it for what every run does; for all else ``transaction`` is clearer.

    Raises:
        StoreUnavailable: as ``transaction`` does.
    """
    with _own_errors():
        pooled = engine.raw_connection()
        connection = cast("psycopg.Connection[Any]", pooled.driver_connection)
        try:
            connection.autocommit = True
            yield _Single(connection)
        finally:
            if connection.closed:
                pooled.invalidate()
            else:
                connection.autocommit = False
                pooled.close()


@contextmanager
def snapshot(engine: Engine) -> Iterator[Connection]:
    """A read-only transaction that sees the database as it was at its first statement, whatever is written meanwhile.

    Raises:
        StoreUnavailable: as ``transaction`` does.
    """
    isolated = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    with _own_errors(), isolated.begin() as connection:
        # It locks nothing that others wait for, and what is read may take long to be written elsewhere.
        connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
        yield connection


@contextmanager
def if_it_can(connection: Connection) -> Iterator[None]:
    """For a change that may be left out: where PostgreSQL does not take it, the transaction goes on without it."""
    try:
        with connection.begin_nested():
            yield
    except DBAPIError as error:
        if error.connection_invalidated:
            raise


@contextmanager
def _own_errors() -> Iterator[None]:
    try:
        yield
    except PoolTimeout as error:
        raise StoreUnavailable("All connections to PostgreSQL are in use; try again later.") from error
    except (OperationalError, psycopg.OperationalError) as error:
        raise StoreUnavailable(f"PostgreSQL could not do it: {first_line(error)}.") from error
    except (DataError, psycopg.DataError) as error:
        raise InvalidParameter(f"PostgreSQL cannot take a value: {first_line(error)}.") from None
    except UnicodeEncodeError:  # an argument of the command line, for instance; it quotes what somebody sent
        raise InvalidParameter("PostgreSQL cannot take a value: it is no UTF-8 text.") from None
    except psycopg.errors.ReadOnlySqlTransaction as error:  # from a COPY, which SQLAlchemy does not see
        raise StoreUnavailable(READ_ONLY) from error
    except DBAPIError as error:
        if isinstance(error.orig, psycopg.errors.ReadOnlySqlTransaction):
            raise StoreUnavailable(READ_ONLY) from error
        if error.connection_invalidated or isinstance(error.orig, psycopg.errors.IdleInTransactionSessionTimeout):
            raise StoreUnavailable(f"The connection to PostgreSQL broke: {first_line(error)}.") from error
        raise


def first_line(error: Exception) -> str:
    """What a driver's error says first, without its full stop, for the middle of a sentence."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    return (str(cause).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
