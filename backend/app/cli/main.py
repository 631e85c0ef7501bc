"""``quantlab``: every command finds the running platform by itself (see app/core/config.py)."""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from loguru import logger

from app.cli.lazily import LazyGroup
from app.errors import InvalidParameter, QuantLabError, StoreUnavailable

_EPILOG = (
    "Examples:\n\n"
    "  quantlab up                              start everything\n\n"
    "  quantlab sync bars --days 30             fetch the whole market's last 30 days\n\n"
    "  quantlab sync ohlcv --symbols 2330,2317  read two stocks' month again\n\n"
    "  quantlab runs --state FAILED             what went wrong\n\n"
    "  quantlab doctor                          what is wrong now, and what to do"
)

app = typer.Typer(
    name="quantlab",
    cls=LazyGroup,
    epilog=_EPILOG,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(*, asked: bool) -> None:
    if asked:
        from app.cli.version import version  # noqa: PLC0415 - as every command: only who asks waits for it

        version()
        raise typer.Exit


@app.callback()
def quantlab(
    *,
    asked: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print which QuantLab this is.")
    ] = False,
) -> None:
    """Taiwan market data: complete, correct and fresh.

    Exit code 0 when it is done, 2 when what was asked for is wrong and nothing was done, 1 when it failed; some
    commands have more, which their help tells.
    """


def main() -> None:
    """Run the command line; our own errors are one sentence, never a traceback.

    Exit code 2, as of an option that cannot be read, where what was asked for is wrong and nothing was done; else 1.
    """
    if not (len(sys.argv) > 1 and sys.argv[1] in ("up", "sandbox")):
        # What these commands have to say is their output; the log is for programs that stay.
        logger.remove()
        logger.add(sys.stderr, level="WARNING", format="<level>{level}</level> {message}")
    try:
        app()
    except QuantLabError as error:
        typer.echo(str(error), err=True)
        if isinstance(error, StoreUnavailable):
            _say_where()
        sys.exit(2 if isinstance(error, InvalidParameter) else 1)


def _say_where() -> None:
    """Whether the platform was looked for in the right place."""
    from app.core.config import read_home, read_running  # noqa: PLC0415 - only a failure needs the settings

    home = read_home()
    if not read_running(home):
        typer.echo(
            f"No platform runs from {home}: start one with `make up`; if yours has another home, say so by "
            "`export QUANTLAB_HOME=…` (its ready box tells which).",
            err=True,
        )
