"""A cursor whose statements are spans of the request or run that they serve, COPY too; never with their parameters."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Self

import psycopg
from psycopg import sql

from app import spans

_LONGEST = 2_000
_VERB = re.compile(r"\s*([A-Za-z]+)")
_TABLE = re.compile(r"\b(?:FROM|INTO|UPDATE|COPY)\s+\"?([a-z_]+)", re.IGNORECASE)


class TracedCursor(psycopg.Cursor[Any]):
    """Psycopg's own cursor, timed."""

    def execute(self, query: Any, params: Any = None, **options: Any) -> Self:
        """As psycopg's."""
        with _span(query):
            return super().execute(query, params, **options)

    def executemany(self, query: Any, params_seq: Iterable[Any], **options: Any) -> None:
        """As psycopg's."""
        with _span(query):
            super().executemany(query, params_seq, **options)

    @contextmanager
    def copy(self, statement: Any, params: Any = None, **options: Any) -> Iterator[psycopg.Copy]:
        """As psycopg's."""
        with _span(statement, text=False), super().copy(statement, params, **options) as copy:
            yield copy


def _span(query: Any, *, text: bool = True) -> AbstractContextManager[None]:
    """Its text is told where values stand beside it. A COPY takes none, and what psycopg composes may hold some."""
    if not query:  # the ping of a connection
        return nullcontext()
    words = query.as_string() if isinstance(query, sql.Composable) else query
    words = words.decode() if isinstance(words, bytes) else str(words)
    attributes = {"db.system.name": "postgresql"}
    if text and isinstance(query, str):
        attributes["db.query.text"] = words[:_LONGEST]
    return spans.within(summary(words), "CLIENT", attributes)


def summary(statement: str) -> str:
    """What a statement does, such as ``SELECT bars``."""
    verb = _VERB.match(statement)
    table = _TABLE.search(statement)
    return " ".join([verb[1].upper() if verb else "SQL", *([table[1]] if table else [])])
