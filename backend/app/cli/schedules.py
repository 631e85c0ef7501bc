"""``quantlab schedule``: what runs when by itself, and changing it while everything runs."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated, Any, Literal

import typer

from app.cli.changes import change
from app.cli.output import AsJson, console, lasting, local, print_json, table
from app.core import schedules
from app.core.schedules import ScheduleView
from app.errors import InvalidParameter
from app.services.identity import local_user

schedule = typer.Typer(
    help="What runs when by itself. Changes are heard within seconds and survive restarts.",
    no_args_is_help=True,
    epilog=(
        "Timings, in Taipei's time:\n\n"
        "  0 21 * * *                   minute hour day month weekday\n\n"
        "  sessions 0 21 * * *          the same on trading days only\n\n"
        "  in session */15 9-13 * * *   the same while the market trades only\n\n"
        "  close+90m, open-30m          relative to each session\n\n"
        "  every 10m                    an interval"
    ),
)

_Name = Annotated[str, typer.Argument(metavar="NAME", help="as `quantlab schedule list` shows it")]


@schedule.command("list")
def list_schedules(*, as_json: AsJson = False) -> None:
    """List the schedules with their next fire. A * marks what an operator changed.

    Example: `quantlab schedule list`.
    """
    views = schedules.list_schedules()
    if as_json:
        print_json([asdict(view) for view in views])
        return
    rows = table("schedule", "fires", "next", "missed ticks", "changed by")
    for view in views:
        upcoming = local(view.next_fires[0]) if view.next_fires else ""
        star = " *" if view.overrides else ""
        fires = view.words if view.enabled else f"paused ({view.words})"
        rows.add_row(view.name + star, fires, upcoming, _policy(view), view.changed_by if view.overrides else "")
    console().print(rows)


@schedule.command("show")
def show_schedule(name: _Name, *, as_json: AsJson = False) -> None:
    """Show one: what holds, its default beside what was said, and its next five fires.

    Example: `quantlab schedule show sync-daily-prices`.
    """
    _show(schedules.show_schedule(name), as_json=as_json)


@schedule.command("set")
def set_schedule(
    name: _Name,
    timing: Annotated[str | None, typer.Option(help="when, like 'sessions 0 21 * * *' or close+90m")] = None,
    parameters: Annotated[str | None, typer.Option(help="JSON; replaces all of the default's")] = None,
    misfire: Annotated[
        Literal["skip", "latest", "all"] | None, typer.Option(help="which of missed ticks to run")
    ] = None,
    late_limit: Annotated[int | None, typer.Option(help="seconds after which a tick is not run any more")] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Change parts of a schedule.

    Examples: `quantlab schedule set sync-daily-prices --timing close+90m`,
    `quantlab schedule set sync-ohlcv-data --parameters '{"universe": "popular_10"}' --misfire all`.
    """
    given = {"timing": timing, "parameters": _object(parameters), "misfire": misfire, "late_limit": late_limit}
    changes = {key: value for key, value in given.items() if value is not None}
    if not changes:
        raise InvalidParameter("Say what to change: --timing, --parameters, --misfire or --late-limit.")
    _change(name, changes, as_json=as_json)


@schedule.command("pause")
def pause(name: _Name) -> None:
    """Let it not fire until `resume`; what would have been due meanwhile is not owed.

    Example: `quantlab schedule pause sync-daily-prices`.
    """
    _change(name, {"enabled": False})


@schedule.command("resume")
def resume(name: _Name) -> None:
    """Let it fire again, from now on.

    Example: `quantlab schedule resume sync-daily-prices`.
    """
    _change(name, {"enabled": None})


@schedule.command("reset")
def reset(name: _Name) -> None:
    """Take back all that was said of it: the default of core/celery_app.py holds again.

    Example: `quantlab schedule reset sync-daily-prices`.
    """
    with change("schedule.reset", name) as row:
        changed = schedules.reset_schedule(name, by=local_user())
        row.before, row.after = changed.before, changed.view.overrides
    _show(changed.view)


@schedule.command("preview")
def preview(timing: Annotated[str, typer.Argument(metavar="TIMING")], *, as_json: AsJson = False) -> None:
    """Show when a timing would fire.

    Example: `quantlab schedule preview close+90m`.
    """
    found = schedules.preview(timing)
    if as_json:
        print_json(asdict(found))
        return
    typer.echo(f"{found.timing}: {found.words}")
    for at in found.next_fires:
        typer.echo(f"  {at:%Y-%m-%d %a %H:%M:%S}")


def _change(name: str, changes: dict[str, Any], *, as_json: bool = False) -> None:
    with change("schedule.change", name) as row:
        changed = schedules.change_schedule(name, changes, by=local_user())
        row.before, row.after = changed.before, changed.view.overrides
    _show(changed.view, as_json=as_json)


def _show(view: ScheduleView, *, as_json: bool = False) -> None:
    if as_json:
        print_json(asdict(view))
        return
    typer.echo(f"{view.name}: {view.words if view.enabled else f'paused ({view.words})'}, runs {view.task}")
    rows = table("", "holds", "default", "said")
    for key, default in view.defaults.items():
        said = view.overrides.get(key)
        rows.add_row(key, _text(getattr(view, key)), _text(default), "" if said is None else _text(said))
    console().print(rows)
    if view.changed_by:
        typer.echo(f"changed by {view.changed_by} at {local(view.changed_at)}")
    typer.echo("next fires:" if view.next_fires else "no next fire")
    for at in view.next_fires:
        typer.echo(f"  {at:%Y-%m-%d %a %H:%M:%S}")


def _policy(view: ScheduleView) -> str:
    return view.misfire if view.late_limit is None else f"{view.misfire}, up to {lasting(view.late_limit)} late"


def _text(value: Any) -> str:
    if value is None:
        return "none"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _object(text: str | None) -> dict[str, Any] | None:
    if text is None:
        return None
    try:
        given = json.loads(text)
    except ValueError:
        given = None
    if not isinstance(given, dict):
        raise InvalidParameter(f"--parameters is {text[:60]!r}; write a JSON object like '{{\"days\": 3}}'.")
    return given
