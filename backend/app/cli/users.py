"""``quantlab users``: who may log in to the console, and as what."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import Annotated, Any, Literal

import typer

from app.cli.changes import change
from app.cli.output import AsJson, console, local, print_json, table
from app.core.wiring import get_platform
from app.services import users as service
from app.services.passwords import new_password
from app.store import users as store
from app.store.engine import transaction

users = typer.Typer(
    help="Who may log in to the console: viewers look, admins change things.",
    no_args_is_help=True,
    epilog=(
        "Examples:\n\n"
        "  quantlab users add mei                    a viewer; the password is generated and shown once\n\n"
        "  quantlab users add mei --password-stdin   with the password that is the first line of the input\n\n"
        "  quantlab users role mei admin             from now on she may change things\n\n"
        "  quantlab users password mei               a new password; all her sessions end\n\n"
        "  quantlab users disable mei                she is out, with all that she holds"
    ),
)

Role = Literal["viewer", "admin"]
_Name = Annotated[str, typer.Argument(metavar="NAME", help="as `quantlab users list` shows it")]
_Stdin = Annotated[bool, typer.Option("--password-stdin", help="read it from the input instead of generating one")]


@users.command("list")
def list_users(*, as_json: AsJson = False) -> None:
    """List everybody, and who may not come in any more.

    Example: `quantlab users list`.
    """
    with transaction(get_platform().engine) as connection:
        found = store.list_users(connection)
    if as_json:
        print_json([asdict(one) for one in found])
        return
    if not found:
        typer.echo("There is no user yet: quantlab users add NAME --role admin")
        return
    made = table("user", "role", "since", "password of", "disabled")
    for one in found:
        made.add_row(one.name, one.role, local(one.created_at), local(one.password_at), local(one.disabled_at))
    console().print(made)


@users.command("add")
def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="up to 32 of a-z, 0-9, dot, dash and underscore")],
    role: Annotated[Role, typer.Option(help="viewer: may read; admin: may change things, too")] = "viewer",
    *,
    password_stdin: _Stdin = False,
) -> None:
    """Add a user. The password is generated and shown once, or read from the input; it never is an argument.

    Example: `quantlab users add mei --role admin`.
    """
    password = _password(given=password_stdin)
    with change("user.add", name) as row:
        row.after = service.facts(service.add_user(get_platform().engine, name, role=role, password=password))
    typer.echo(f"{name} may log in as {role}.")
    _tell(password, given=password_stdin)


@users.command("password")
def set_password(name: _Name, *, password_stdin: _Stdin = False) -> None:
    """Set a new password: generated and shown once, or read from the input. All sessions of the user end.

    Example: `quantlab users password mei`.
    """
    password = _password(given=password_stdin)
    _change(name, password=password)
    typer.echo(f"{name} has a new password, and has to log in with it everywhere.")
    _tell(password, given=password_stdin)


@users.command("role")
def set_role(name: _Name, role: Annotated[Role, typer.Argument(help="viewer or admin")]) -> None:
    """Make a viewer an admin, or the other way; the last admin stays one.

    Example: `quantlab users role mei admin`.
    """
    _change(name, role=role)
    typer.echo(f"{name} is {role} from now on.")


@users.command("disable")
def disable(name: _Name) -> None:
    """Let a user not come in any more: sessions end at once, and tokens that he made are revoked.

    Example: `quantlab users disable mei`.
    """
    _change(name, disabled=True)
    typer.echo(f"{name} may not come in any more.")


@users.command("enable")
def enable(name: _Name) -> None:
    """Let a disabled user come in again, with the password of before.

    Example: `quantlab users enable mei`.
    """
    _change(name, disabled=False)
    typer.echo(f"{name} may come in again.")


def _change(name: str, **changes: Any) -> None:
    with change("user.change", name) as row:
        changed = service.change_user(get_platform().engine, name, **changes)
        row.before = service.facts(changed.before)
        row.after = service.facts(changed.after, password="password" in changes, revoked=changed.revoked)


def _password(*, given: bool) -> str:
    return sys.stdin.readline().rstrip("\r\n") if given else new_password()


def _tell(password: str, *, given: bool) -> None:
    if not given:
        typer.echo(f"Password, shown this once: {password}")
