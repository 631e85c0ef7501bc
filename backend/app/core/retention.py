"""How long what is kept, out of the settings."""

from __future__ import annotations

from dataclasses import fields

from app.core.config import Settings
from app.services.prunable import Keep


def keep_of(settings: Settings) -> Keep:
    """The settings that bound what is kept."""
    return Keep(**{field.name: getattr(settings, field.name) for field in fields(Keep)})
