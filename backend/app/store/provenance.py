"""Whose data a database holds: the sandbox's or the exchanges'. The two never mix."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, func, insert, select

from app.errors import ConfigurationError
from app.store.tables import provenance


def held_source(connection: Connection) -> str | None:
    """The source that this database belongs to; None when none was recorded."""
    return connection.scalar(select(provenance.c.source))


def installed_at(connection: Connection) -> datetime | None:
    """When this database was given to its source: nothing was promised before; None when nothing was recorded."""
    return connection.scalar(select(provenance.c.created_at))


def record(connection: Connection, source: str) -> None:
    """Give an empty database to *source*."""
    connection.execute(insert(provenance).values(source=source, created_at=func.now()))


def check(connection: Connection, source: str) -> None:
    """Raise ConfigurationError unless the database belongs to *source*."""
    held = held_source(connection)
    if held != source:
        raise ConfigurationError(
            f"This database holds data of the source {held!r}, but {source!r} was asked for. "
            f"The two never share a database: start with SOURCE={held}, or use another database."
        )
