"""Lines of the logs, of every host: written in turns, found by what a person remembers of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, delete, func, select, text
from sqlalchemy.dialects.postgresql import insert as upsert

from app.store.engine import driver
from app.store.tables import log_files, log_lines

LEVELS = {"DEBUG": 10, "INFO": 20, "SUCCESS": 25, "WARNING": 30, "ERROR": 40, "CRITICAL": 50}
"""The names of levels, as loguru has them."""
_SEVERE = LEVELS["WARNING"]
_TURN = 0x10_61_0B
"""The advisory lock of those who write lines, so that ids commit in their order."""


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line; *level* as Python's logging has it (30 is WARNING), *module* is who wrote it."""

    at: datetime
    level: int
    host: str
    program: str
    pid: int
    task: str | None
    run_id: str | None
    module: str
    message: str
    traceback: str | None


_COPY = f"COPY log_lines ({', '.join(field.name for field in fields(LogLine))}) FROM STDIN"


@dataclass(frozen=True, slots=True)
class KeptLine(LogLine):
    """A line that is kept, by number; a later one has a higher number."""

    id: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which lines: each part that is given must hold. *symbol* stands in the message as a word, *words* anywhere."""

    level: int | None = None
    task: str | None = None
    run_id: str | None = None
    program: str | None = None
    host: str | None = None
    symbol: str | None = None
    words: str | None = None
    since: datetime | None = None
    until: datetime | None = None


def names_of(task: str) -> tuple[str, str]:
    """The name of a task as its lines have it, and as those that were written before 2026-11-27 have it."""
    return task, task.removeprefix("app.tasks.")


def level_name(level: int) -> str:
    """The name of a level; of one that has none, of the next lower one."""
    return next((name for name, number in reversed(LEVELS.items()) if number <= level), "DEBUG")


def take_turn(connection: Connection) -> bool:
    """Whether nobody else writes lines now; the turn ends with the transaction."""
    return bool(connection.scalar(select(func.pg_try_advisory_xact_lock(_TURN))))


def kept_bytes(connection: Connection, folder: str) -> Mapping[str, int]:
    """File name → how many of its bytes are kept, of the folder with that mark."""
    rows = connection.execute(
        select(log_files.c.name, log_files.c.kept_bytes).where(log_files.c.folder == folder)
    ).all()
    return {row.name: row.kept_bytes for row in rows}


def keep(connection: Connection, folder: str, name: str, *, upto: int, lines: Sequence[LogLine]) -> None:
    """Add the lines of a file, and that the file is kept up to that byte: both or neither."""
    if lines:
        with driver(connection).cursor() as cursor, cursor.copy(_COPY) as copy:
            for line in lines:
                copy.write_row(astuple(line))
    now = func.clock_timestamp()
    row = upsert(log_files).values(folder=folder, name=name, kept_bytes=upto, kept_at=now)
    connection.execute(
        row.on_conflict_do_update(index_elements=["folder", "name"], set_={"kept_bytes": upto, "kept_at": now})
    )


def forget_files(connection: Connection, folder: str, names: Sequence[str]) -> None:
    """They are gone from the folder."""
    connection.execute(delete(log_files).where(log_files.c.folder == folder, log_files.c.name.in_(names)))


def last_id(connection: Connection) -> int:
    """The number of the newest line; 0 when there is none."""
    return connection.scalar(select(func.max(log_lines.c.id))) or 0


def hosts(connection: Connection) -> list[str]:
    """The hosts of which any line is kept."""
    return list(connection.scalars(select(log_lines.c.host).distinct().order_by(log_lines.c.host)))


def list_lines(
    connection: Connection, wanted: Wanted, *, limit: int, before: int | None = None, after: int | None = None
) -> list[KeptLine]:
    """*limit* lines that are wanted, newest first: the newest, below number *before*; or the oldest above *after*."""
    query = _where(select(log_lines), wanted).limit(limit)
    if before is not None:
        query = query.where(log_lines.c.id < before)
    if after is not None:
        query = query.where(log_lines.c.id > after)
    rows = connection.execute(query.order_by(log_lines.c.id if after is not None else log_lines.c.id.desc())).all()
    found = [KeptLine(**row._mapping) for row in rows]  # noqa: SLF001
    return found[::-1] if after is not None else found


def _where(query: Select[Any], wanted: Wanted) -> Select[Any]:
    columns = log_lines.c
    if wanted.task is not None:
        query = query.where(columns.task.in_(names_of(wanted.task)))
    for name in ("run_id", "program", "host"):
        if (value := getattr(wanted, name)) is not None:
            query = query.where(columns[name] == value)
    if wanted.level is not None:
        query = query.where(columns.level >= wanted.level)
        if wanted.level >= _SEVERE:
            query = query.where(text(f"level >= {_SEVERE}"))  # in so many words: there is an index on these few
    if wanted.symbol is not None:
        query = query.where(columns.message.regexp_match(rf"\m{wanted.symbol}\M"))
    if wanted.words is not None:
        query = query.where(columns.message.icontains(wanted.words, autoescape=True))
    if wanted.since is not None:
        query = query.where(columns.at >= wanted.since)
    if wanted.until is not None:
        query = query.where(columns.at <= wanted.until)
    return query


def may_go(connection: Connection, before: datetime, most: int | None) -> ColumnElement[bool]:
    """Too old by its own time, or beyond the newest *most*: an old line that came late takes no newer one with it."""
    newest = select(log_lines.c.id).order_by(log_lines.c.id.desc())
    surplus = 0 if most is None else connection.scalar(newest.offset(most).limit(1)) or 0
    return (log_lines.c.at < before) | (log_lines.c.id <= surplus)
