"""``quantlab alerts``: what is wrong, who is told, and which rules look."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer
from rich.text import Text

from app.cli.changes import change
from app.cli.output import AsJson, console, local, print_json, print_source, table
from app.core import alerts as core
from app.core.config import get_settings
from app.core.wiring import get_platform
from app.ops.alerts import RULES
from app.store import incidents
from app.store.engine import transaction
from app.store.incidents import Incident

alerts = typer.Typer(
    help="What is wrong and was; who is told. `alerts test` tells everybody, `alerts rules` checks every rule.",
    invoke_without_command=True,
    epilog="Example: `quantlab alerts --limit 50`",
)


@alerts.callback()
def list_incidents(
    context: typer.Context,
    *,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="how many, the newest first")] = 20,
    as_json: AsJson = False,
) -> None:
    """List the open incidents and the last ones that are over. Exit code 1 when any is open."""
    if context.invoked_subcommand is not None:
        return
    with transaction(get_platform().engine) as connection:
        open_now = incidents.list_open(connection)
        over = [one for one in incidents.list_recent(connection, limit=limit) if one.closed_at is not None]
    if as_json:
        print_json({"open": [asdict(one) for one in open_now], "over": [asdict(one) for one in over]})
    else:
        _show(open_now, over)
    if open_now:
        raise typer.Exit(1)


@alerts.command("test")
def send_test() -> None:
    """Send a test message to each channel and say which took it. Exit code 1 when one did not.

    Example: `quantlab alerts test`.
    """
    with change("alerts.test", "channels") as row:
        told = core.send_test(get_settings())
        row.after = {"told": [name for name, why in told if why is None]}
    for name, why in told:
        typer.echo(f"Channel {name}: {'it took the message.' if why is None else f'not told, {why}.'}")
    if any(why for _, why in told):
        raise typer.Exit(1)


@alerts.command("rules")
def show_rules(*, as_json: AsJson = False) -> None:
    """Say what each rule wants to be so, and what it finds now. Nothing is opened or told by this.

    Example: `quantlab alerts rules`.
    """
    looked = core.find_now(get_platform())
    if as_json:
        rows = [
            {
                "rule": rule.name,
                "words": rule.words,
                "breaches": [asdict(one) for one in looked.found.get(rule.name, [])],
                "unchecked": looked.unchecked.get(rule.name),
            }
            for rule in RULES
        ]
        print_json(rows)
        return
    made = table("rule", "is", "what should be so, and what is not")
    for rule in RULES:
        wrong = [one.sentence for one in looked.found.get(rule.name, [])]
        unchecked = looked.unchecked.get(rule.name)
        said = Text(f"{rule.words}.", "dim")
        for sentence in (*wrong, *([f"Cannot be checked: {unchecked}"] if unchecked else [])):
            said.append(f"\n→ {sentence}", style="not dim")
        word = Text("unknown", "dim") if unchecked else Text("wrong", "red") if wrong else Text("well", "green")
        made.add_row(rule.name, word, said)
    console().print(made)


def _show(open_now: list[Incident], over: list[Incident]) -> None:
    print_source()
    out = console()
    if open_now:
        made = table("since", "rule", "what is wrong", "told", title="Open")
        for one in open_now:
            made.add_row(local(one.opened_at), one.rule, Text(one.sentence), local(one.told_at) or "nobody yet")
        out.print(made)
    else:
        out.print(Text("No incident is open.", "green"))
    if over:
        made = table("since", "until", "rule", "what was wrong", title="Over")
        for one in over:
            made.add_row(local(one.opened_at), local(one.closed_at), one.rule, Text(one.sentence))
        out.print()
        out.print(made)
