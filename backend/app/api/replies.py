"""What replies have in common: whose data they are, and the shape of an error."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import Depends
from pydantic import BaseModel, ConfigDict, Field

from app.core.config import Settings, get_settings
from app.core.wiring import Platform, get_platform

Price = Annotated[str | None, Field(description="TWD, exact decimal text; null where the exchange publishes none")]


# Coroutines, for they are as good as done: FastAPI would give a plain function a turn in another thread.
async def _platform() -> Platform:
    return get_platform()


async def _settings() -> Settings:
    return get_settings()


ThePlatform = Annotated[Platform, Depends(_platform)]
TheSettings = Annotated[Settings, Depends(_settings)]


class Reply(BaseModel):
    """Every body of data says whose data it is."""

    model_config = ConfigDict(frozen=True)

    source: Literal["sandbox", "exchange"] = Field(description="sandbox: prices are NOT the market's")


class Failure(BaseModel):
    """The body of every error."""

    error: str = Field(
        description="the type of the error, for programs: docs/reference/errors.md has all", examples=["UnknownSymbol"]
    )
    message: str = Field(description="one sentence: what was wrong and what to do")
    facts: dict[str, str | float] | None = Field(None, description="what the sentence counts: retry_after, site …")


def failures(*codes: int) -> dict[int | str, dict[str, Any]]:
    """The error replies of an endpoint, for its documentation."""
    return {code: {"model": Failure} for code in (*codes, 503)}
