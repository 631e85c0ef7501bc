"""``quantlab``: every command finds the running platform by itself (see app/core/config.py)."""

from __future__ import annotations

import sys

import typer
from loguru import logger

from app.cli import (
    actions,
    alerts,
    backfill,
    bars,
    catch_up,
    data,
    diagnosis,
    export,
    gaps,
    operations,
    quarantine,
    referee,
    runs,
    sandbox,
    schedules,
    status,
    up,
    users,
)
from app.core.config import read_home, read_running
from app.core.version import VERSION
from app.errors import QuantLabError, StoreUnavailable

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
    help="Taiwan market data: complete, correct and fresh.",
    epilog=_EPILOG,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("up", rich_help_panel="Run")(up.up)
app.add_typer(sandbox.sandbox, name="sandbox", rich_help_panel="Run")
app.command("sync", rich_help_panel="Data")(data.sync)
app.add_typer(backfill.backfill, name="backfill", rich_help_panel="Data")
app.command("gaps", rich_help_panel="Data")(gaps.gaps)
app.command("replay", rich_help_panel="Data")(backfill.replay)
app.add_typer(catch_up.catch_up, name="catch-up", rich_help_panel="Data")
app.add_typer(export.export, name="export", rich_help_panel="Data")
app.add_typer(operations.calendar, name="calendar", rich_help_panel="Data")
app.add_typer(referee.referee, name="referee", rich_help_panel="Data")
app.command("wait-ready", rich_help_panel="Look")(backfill.wait_ready)
app.add_typer(runs.runs, name="runs", rich_help_panel="Look")
app.command("bars", rich_help_panel="Look")(bars.bars)
app.command("revisions", rich_help_panel="Look")(bars.revisions)
app.add_typer(quarantine.quarantine, name="quarantine", rich_help_panel="Look")
app.command("actions", rich_help_panel="Look")(actions.actions)
app.command("status", rich_help_panel="Look")(status.status)
app.command("monitor", rich_help_panel="Look")(status.monitor)
app.add_typer(alerts.alerts, name="alerts", rich_help_panel="Look")
app.command("doctor", rich_help_panel="Look")(diagnosis.doctor)
app.add_typer(schedules.schedule, name="schedule", rich_help_panel="Operate")
app.add_typer(operations.breaker, name="breaker", rich_help_panel="Operate")
app.add_typer(users.users, name="users", rich_help_panel="Operate")
app.command("token", rich_help_panel="Operate")(operations.token)


@app.command(rich_help_panel="Look")
def version() -> None:
    """Print which QuantLab this is."""
    typer.echo(VERSION)


def main() -> None:
    """Run the command line; our own errors are one sentence and exit code 1, never a traceback."""
    if not (len(sys.argv) > 1 and sys.argv[1] in ("up", "sandbox")):
        # What these commands have to say is their output; the log is for programs that stay.
        logger.remove()
        logger.add(sys.stderr, level="WARNING", format="<level>{level}</level> {message}")
    try:
        app()
    except QuantLabError as error:
        typer.echo(str(error), err=True)
        if isinstance(error, StoreUnavailable) and not read_running(read_home()):
            typer.echo("No platform runs from this home: start one with `make up`.", err=True)
        sys.exit(1)
