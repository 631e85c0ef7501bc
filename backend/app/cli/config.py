"""``quantlab config``: every setting, its value and where that comes from."""

from __future__ import annotations

import os
import re
from dataclasses import asdict, dataclass
from typing import Any

import typer
from pydantic import SecretStr
from rich.text import Text

from app.cli.output import AsJson, console, print_json, table
from app.core.config import Settings, get_settings, read_home, read_running

_USERINFO = re.compile(r"(\w://)[^/?#\s]*@")
"""A name and password in an address: some reach an exchange through a proxy of their own."""
_ROOMY = 120
"""Cells below which a setting's purpose would be a pillar of words."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A setting as a person may see it: of a secret only whether it is set."""

    name: str
    value: str
    source: str
    description: str


def config(
    *,
    changed: bool = typer.Option(False, "--changed", help="only those that are not at their default"),
    as_json: AsJson = False,
) -> None:
    """List every setting: its value, where it comes from, what it is for. Secrets are not shown.

    A setting is an environment variable of that name; what a running platform says of itself comes below the
    environment, the default last.

    Examples: `quantlab config`, `quantlab config --changed`.
    """
    found = [one for one in _settings() if not changed or one.source != "default"]
    if as_json:
        print_json([asdict(one) for one in found])
        return
    made = table("setting", "value", "from", "for", roomy=_ROOMY)
    for one in found:
        style = "" if one.source == "default" else "bold"
        made.add_row(Text(one.name, style), Text(one.value, style), one.source, Text(one.description, "dim"))
    console().print(made)


def _settings() -> list[Shown]:
    settings, running = get_settings(), read_running(read_home()).get("environment", {})
    return [
        Shown(name.upper(), _said(getattr(settings, name)), _source(name.upper(), running), field.description or "")
        for name, field in Settings.model_fields.items()
    ]


def _source(name: str, running: dict[str, str]) -> str:
    if name in os.environ:
        return "environment"
    return "running platform" if name in running else "default"


def _said(value: Any) -> str:
    if isinstance(value, SecretStr):
        return "set, not shown" if value.get_secret_value() else ""
    return "" if value is None else _USERINFO.sub(r"\1…@", str(value))
