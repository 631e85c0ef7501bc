"""Instants that a request names: with their zone, or without one in Taipei time."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import Query
from pydantic import BeforeValidator

from app.core.wiring import now
from app.errors import InvalidParameter
from app.market.written import read_instant

Instant = Annotated[datetime, BeforeValidator(lambda text: read_instant(str(text)))]
"""Aware, whatever was written."""
AsOf = Annotated[
    Instant | None,
    Query(
        description="as it stood at that instant: without what came later; Taipei time unless it has a zone",
        examples=["2026-11-20T21:00"],
    ),
]
"""For everything that can be read as it stood."""


def window(since: datetime | None, until: datetime | None) -> tuple[datetime, datetime]:
    """From *since*, six hours before the end when left out, to *until*, now when left out.

    Raises:
        InvalidParameter: it ends before it begins.
    """
    end = until or now()
    start = since or end - timedelta(hours=6)
    if start >= end:
        raise InvalidParameter(f"since {start.isoformat()} is not before until {end.isoformat()}.")
    return start, end
