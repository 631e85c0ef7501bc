"""The commands by name, of which each is imported when it is asked for: what prints a version or a help starts fast."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from inspect import cleandoc
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_group


@dataclass(frozen=True, slots=True)
class Entry:
    """A command: where it is defined (``module:name`` below ``app.cli``), the panel of the help, its first sentence."""

    where: str
    panel: str
    sentence: str


COMMANDS = {
    "up": Entry("up:up", "Run", "Start PostgreSQL, Valkey, worker, beat and web; stop them all at Ctrl-C."),
    "sandbox": Entry(
        "sandbox:sandbox",
        "Run",
        "Serve the sandbox exchange: the exchanges' wire formats, prices that are synthetic or replayed.",
    ),
    "sync": Entry("data:sync", "Data", "Advance a dataset to the newest published session, by its task, and watch it."),
    "backfill": Entry(
        "backfill:backfill", "Data", "Fetch a range of history that is not held, below fresh data; its cost first."
    ),
    "gaps": Entry(
        "gaps:gaps",
        "Data",
        "Every session of a range accounted for: expected, held, explained, missing; and which symbols are missing.",
    ),
    "replay": Entry(
        "backfill:replay",
        "Data",
        "Rebuild the lists, bars, actions and figures of a range from the archived replies, without one request.",
    ),
    "catch-up": Entry(
        "catch_up:catch_up",
        "Data",
        "Sessions that should be held and are not: what it costs to fetch them, and doing it.",
    ),
    "export": Entry("export:export", "Data", "Files for research, and what was exported."),
    "calendar": Entry("operations:calendar", "Data", "Days on which the market opens or closes against the calendar."),
    "referee": Entry(
        "referee:referee",
        "Data",
        "Compare bars with those of another source; what the exchange said is never overwritten.",
    ),
    "wait-ready": Entry(
        "backfill:wait_ready", "Look", "Wait until a day's data are complete: for strategies that start after the data."
    ),
    "runs": Entry(
        "runs:runs", "Look", "The run ledger: what ran, what it wrote, why it failed. `runs show ID` tells all of one."
    ),
    "bars": Entry(
        "bars:bars", "Look", "Show the daily bars of a security, oldest first: prices in TWD, volume in shares."
    ),
    "revisions": Entry(
        "bars:revisions",
        "Look",
        "List values that an exchange published and later changed, newest first, with both.",
    ),
    "quarantine": Entry(
        "quarantine:quarantine",
        "Look",
        "Rows that break a rule: look at them, say that one is right or wrong, or read them again.",
    ),
    "actions": Entry(
        "actions:actions",
        "Look",
        "List corporate actions, newest ex-date first: what the exchange made of the last close.",
    ),
    "status": Entry(
        "status:status",
        "Look",
        "Is it well: servers, workers, what waits, the newest data, the last run of each task.",
    ),
    "monitor": Entry(
        "monitor:monitor",
        "Look",
        "Services, workers, what runs now and how far it is, queues, statistics of each task, failures.",
    ),
    "logs": Entry(
        "logs:logs",
        "Look",
        "Lines of the logs of all programs and hosts, oldest first; in place of `docker compose logs`.",
    ),
    "alerts": Entry(
        "alerts:alerts",
        "Look",
        "What is wrong and was; who is told. `alerts test` tells everybody, `alerts rules` checks every rule.",
    ),
    "doctor": Entry(
        "diagnosis:doctor", "Look", "Check everything the platform needs; exit code 1 when something is wrong."
    ),
    "version": Entry("version:version", "Look", "Print which QuantLab this is."),
    "schedule": Entry(
        "schedules:schedule",
        "Operate",
        "What runs when by itself. Changes are heard within seconds and survive restarts.",
    ),
    "config": Entry(
        "config:config",
        "Operate",
        "List every setting: its value, where it comes from, what it is for. Secrets are not shown.",
    ),
    "prune": Entry(
        "prune:prune",
        "Operate",
        "Remove what is older than its setting says, after showing it: rows, bytes, the oldest and the newest.",
    ),
    "backup": Entry(
        "backup:backup",
        "Operate",
        "Write the database and the raw replies into one file, while the platform works.",
    ),
    "restore": Entry(
        "backup:restore",
        "Operate",
        "Put a backup in the place of what this platform holds: whole or not at all.",
    ),
    "workers": Entry("workers:workers", "Operate", "Workers: which live, and what they are told while they run."),
    "breaker": Entry("operations:breaker", "Operate", "Sites that are not asked after a ban or many failures."),
    "users": Entry("users:users", "Operate", "Who may log in to the console: viewers look, admins change things."),
    "tokens": Entry("tokens:tokens", "Operate", "API tokens: what programs come in with over HTTP."),
    "token": Entry(
        "operations:token",
        "Operate",
        "Print the admin token, with which a program on this machine may change everything over HTTP.",
    ),
}


class LazyGroup(TyperGroup):
    """Knows its commands by their sentences, and imports the one that is to run, or whose help is asked for."""

    def __init__(self, **given: Any) -> None:
        shown = [TyperCommand(name, help=one.sentence, rich_help_panel=one.panel) for name, one in COMMANDS.items()]
        super().__init__(**{**given, "commands": shown})
        self.help = _flowing(self.help)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command itself, by what was typed."""
        name, command, rest = super().resolve_command(ctx, args)
        return name, command and _flow_all(load(name or "")), rest


def _flow_all(command: Any) -> Any:
    """*command*, with its help and that of what is below it broken where the terminal ends.

    Typer joins the lines of the first paragraph alone.
    """
    command.help = _flowing(command.help)
    for one in getattr(command, "commands", {}).values():
        _flow_all(one)
    return command


def _flowing(text: str | None) -> str:
    """The paragraphs of *text*, each without the ends of the code's lines."""
    return "\n\n".join(paragraph.replace("\n", " ") for paragraph in cleandoc(text or "").split("\n\n"))


def load(name: str) -> Any:
    """The command of that name, imported."""
    module, attribute = COMMANDS[name].where.split(":")
    found = getattr(import_module(f"app.cli.{module}"), attribute)
    holder = typer.Typer(add_completion=False, rich_markup_mode="rich")
    if isinstance(found, typer.Typer):
        holder.add_typer(found, name=name)
    else:
        holder.command(name)(found)
    return get_group(holder).commands[name]
