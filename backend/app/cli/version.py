"""``quantlab version``."""

from __future__ import annotations

import typer

from app.core.version import VERSION


def version() -> None:
    """Print which QuantLab this is.

    Example: `quantlab version`.
    """
    typer.echo(VERSION)
