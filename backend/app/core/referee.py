"""Which other sources there are to compare with, built from the settings."""

from __future__ import annotations

import zlib
from typing import Literal

from app.core.config import Settings
from app.errors import ConfigurationError
from app.services.context import Context
from app.services.other_sources import FinLabBars, FinMindBars, OtherSource
from app.sources.finlab.tables import FinLab

OtherName = Literal["finmind", "finlab"]


def other_source(name: OtherName, context: Context, settings: Settings) -> OtherSource:
    """The source of that name. Raises ConfigurationError for one that has nothing to do with the prices held here."""
    if name == "finmind":
        return FinMindBars(context.client)
    if settings.prices != "real":
        raise ConfigurationError(
            f"FinLab has the market's prices, and these are {settings.prices}: compare with finmind, which the sandbox "
            "has a face of, or start with SOURCE=exchange."
        )
    token = settings.finlab_api_token
    return FinLabBars(FinLab(token.get_secret_value() if token else None, clock=context.clock))


def seed_of(run_id: str | None) -> int:
    """The seed of a sample that nobody chose one for: of the run, so that all its attempts draw the same."""
    return zlib.crc32((run_id or "").encode())
