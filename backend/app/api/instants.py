"""Instants that a request names: with their zone, or without one in Taipei time."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import Query
from pydantic import BeforeValidator

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
