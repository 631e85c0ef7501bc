"""``quantlab tokens``: what programs come in with, over HTTP."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Literal

import typer

from app.cli.changes import change
from app.cli.output import AsJson, console, local, print_json, table
from app.cli.times import DAY, day
from app.core.wiring import get_platform, now
from app.market.calendar import TAIPEI
from app.services import tokens as service
from app.services.identity import local_user, operator
from app.store import api_tokens
from app.store.engine import transaction

tokens = typer.Typer(help="API tokens: what programs come in with over HTTP.", no_args_is_help=True)


@tokens.command("list")
def list_tokens(as_json: AsJson = False) -> None:
    """List the tokens: who made them, until when they are good, when they were last used; never their text.

    Example: `quantlab tokens list`.
    """
    with transaction(get_platform().engine) as connection:
        found = api_tokens.list_tokens(connection)
    if as_json:
        print_json([asdict(one) for one in found])
        return
    if not found:
        typer.echo("There is no token. Make one: quantlab tokens make notebook")
        return
    made = table(">id", "name", "scope", "made by", "made", "good until", "last used")
    for one in found:
        until = "" if one.expires_on is None else one.expires_on.isoformat()
        made.add_row(
            str(one.id),
            one.name,
            one.scope,
            one.created_by,
            local(one.created_at),
            until,
            local(one.used_at) or "never",
        )
    console().print(made)


@tokens.command("make")
def make_token(
    name: Annotated[str, typer.Argument(help="what it is for: notebook, strategy")],
    *,
    scope: Annotated[Literal["read", "admin"], typer.Option(help="read, or admin: it may change everything")] = "read",
    until: Annotated[
        datetime | None,
        typer.Option(parser=day, metavar=DAY, help="the last day on which it is good; no end if left out"),
    ] = None,
) -> None:
    """Make a token and print it, this once: only its digest is kept.

    Example: `quantlab tokens make notebook --until 2027-06-30`.
    """
    last = None if until is None else until.date()
    with change("token.make", name) as row:
        text, made = service.make_token(
            get_platform().engine,
            name,
            scope=scope,
            by=operator(local_user()),
            expires_on=last,
            today=now().astimezone(TAIPEI).date(),
        )
        row.after = {"id": made.id, "scope": made.scope, "expires_on": last and last.isoformat()}
    typer.echo(text)
    typer.echo("It is shown this once. Send it as `Authorization: Bearer TOKEN`.", err=True)


@tokens.command("revoke")
def revoke_token(token_id: Annotated[int, typer.Argument(min=1, metavar="ID", help="as the list has it")]) -> None:
    """Take a token back, for ever and at once.

    Example: `quantlab tokens revoke 3`.
    """
    with change("token.revoke", str(token_id)) as row:
        gone = service.revoke_token(get_platform().engine, token_id)
        row.before = {"name": gone.name, "scope": gone.scope}
    typer.echo(f"{gone.name} is refused from now on.")
