"""``quantlab backfill`` and its like: a range of history with its cost first, from the archive, or waited for."""

from __future__ import annotations

import time
from datetime import date, datetime
from typing import Annotated, Literal

import typer

from app.cli.changes import change, start_task
from app.cli.data import follow
from app.cli.output import AsJson, console, lasting, print_json, print_source, table
from app.cli.times import DAY, day
from app.core import backfilling
from app.core.backfilling import TASK
from app.core.wiring import get_platform
from app.market.calendar import TAIPEI
from app.market.security import Venue
from app.services.backfill import Wanted, plan_backfill
from app.services.identity import local_user
from app.services.readiness import look
from app.store import runs
from app.store.coverage import BARS
from app.store.engine import transaction

REPLAY = "app.tasks.replay_archive"
POLL = 5.0
"""Seconds between two looks of wait-ready."""

backfill = typer.Typer(
    help="Fetch a range of history that is not held, below fresh data; its cost first.", no_args_is_help=True
)

_From = Annotated[datetime, typer.Option("--from", parser=day, metavar=DAY, help="the first day, from 2004-02-11 on")]
_To = Annotated[str, typer.Option("--to", help="the last day, YYYY-MM-DD or today")]
BarVenue = Literal["TWSE", "TPEX"]
"""Who publishes bars of its whole market."""
_Venue = Annotated[BarVenue | None, typer.Option(help="default: both", case_sensitive=False)]


def read_day(word: str) -> date:
    """``2024-06-30``, or ``today`` in Taipei."""
    if word == "today":
        return datetime.now(TAIPEI).date()
    try:
        return date.fromisoformat(word)
    except ValueError:
        raise typer.BadParameter(f"{word!r} is no day; write it as 2024-06-30, or today.") from None


@backfill.command("bars")
def bars(
    start: _From,
    end: _To = "today",
    venue: _Venue = None,
    *,
    again: Annotated[bool, typer.Option("--again", help="ask for what is held, too: finds what was changed")] = False,
    plan_only: Annotated[bool, typer.Option("--plan", help="show the cost and fetch nothing")] = False,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="watch it, or only queue it and print its id")] = True,
    as_json: AsJson = False,
) -> None:
    """Fetch the daily bars of a range: two requests a session, newest first, each session stored at once.

    What is held is not asked for again, so the same command goes on where an interrupted one ended. Ctrl-C leaves it
    running; `quantlab runs cancel ID` stops it after the session in hand.

    Examples: `quantlab backfill bars --from 2004-02-11 --plan`, `quantlab backfill bars --from 2024-01-01 --to
    2024-06-30 --venue TPEX`.
    """
    platform = get_platform()
    wanted = Wanted(start.date(), read_day(end), Venue(venue) if venue else None, again)
    pace = platform.settings.source_seconds_per_request
    plan = plan_backfill(platform.context(), wanted, seconds_per_request=pace)
    if as_json and plan_only:
        print_json(plan.as_json())
        return
    if not as_json:
        print_source()
        requests = ", ".join(f"{number:,} of {site.value}" for site, number in plan.requests.items()) or "no requests"
        takes = f"about {lasting(plan.seconds)}" if plan.measured else f"{lasting(plan.seconds)} at the least"
        held = f"{plan.held:,} of them held" if again else f"{plan.held:,} held"
        console().print(f"{len(plan.cells):,} sessions of a venue to fetch, {held}: {requests}, {takes}.")
    if plan_only or not plan.cells:
        return
    parameters: dict[str, object] = {"start": wanted.start.isoformat(), "end": wanted.end.isoformat()}
    parameters |= {"venue": venue} if venue else {}
    parameters |= {"again": True} if again else {}
    started = start_task(TASK, parameters)
    follow(started, TASK, wait=wait, timeout=float("inf"), as_json=as_json)


@backfill.command("list")
def list_backfills(*, as_json: AsJson = False) -> None:
    """Backfills that have not ended: those that work, wait or are paused, and what each has left.

    Example: `quantlab backfill list`.
    """
    found = backfilling.under_way(get_platform())
    if as_json:
        print_json([{"run": one.run.id, "paused_by": one.run.paused_by, **one.left.as_json()} for one in found])
        return
    print_source()
    if not found:
        typer.echo("None. Start one: quantlab backfill bars --from 2024-01-01")
        return
    made = table("run", "state", "from", "to", "venue", ">left", ">takes")
    for one in found:
        state = f"paused by {one.run.paused_by}" if one.run.paused_by else one.run.state
        venue = one.wanted.venue.value if one.wanted.venue else "both"
        left = f"{len(one.left.cells):,}"
        takes = lasting(one.left.seconds)
        made.add_row(one.run.id[:8], state, str(one.wanted.start), str(one.wanted.end), venue, left, takes)
    console().print(made)


_Id = Annotated[str, typer.Argument(metavar="ID", help="the run's id, or its beginning")]


@backfill.command("pause")
def pause(run_id: _Id) -> None:
    """Let a backfill wait, also through a restart; one that works ends after the session in hand, which stays.

    Example: `quantlab backfill pause 5e0c17`.
    """
    found = _whole(run_id)
    with change("backfill.pause", found):
        run = backfilling.pause(get_platform(), found, by=local_user())
    typer.echo(f"{run.id} is paused; it goes on with `quantlab backfill resume {run.id[:8]}`.")


@backfill.command("resume")
def resume(run_id: _Id) -> None:
    """Let a paused backfill go on: the same run, which asks only for what is missing then.

    Example: `quantlab backfill resume 5e0c17`.
    """
    found = _whole(run_id)
    with change("backfill.resume", found):
        run = backfilling.resume(get_platform(), found)
    typer.echo(f"{run.id} goes on: quantlab runs show {run.id[:8]}")


def _whole(run_id: str) -> str:
    """The id that begins so."""
    with transaction(get_platform().engine) as connection:
        return runs.find(connection, run_id).id


def replay(
    start: _From,
    end: _To = "today",
    *,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="watch it, or only queue it and print its id")] = True,
    as_json: AsJson = False,
) -> None:
    """Rebuild the lists, bars, actions and figures of a range from the archived replies, without one request.

    After a parser was mended this puts right what it read wrongly. Example: `quantlab replay --from 2026-01-01`.
    """
    parameters = {"start": start.date().isoformat(), "end": read_day(end).isoformat()}
    started = start_task(REPLAY, parameters)
    follow(started, REPLAY, wait=wait, timeout=float("inf"), as_json=as_json)


def wait_ready(
    day: Annotated[str, typer.Option("--date", help="the session, YYYY-MM-DD or today")] = "today",
    *,
    dataset: Annotated[str, typer.Option(help="which dataset")] = BARS,
    timeout: Annotated[float, typer.Option(help="seconds to wait at most; 0: only look")] = 3600,
    strict: Annotated[bool, typer.Option("--strict", help="nothing may be missing or wait in quarantine")] = False,
    symbols: Annotated[str | None, typer.Option(help="only of these, by commas: 2330,0050")] = None,
) -> None:
    """Wait until a day's data are complete: for strategies that start after the data.

    Exit code 0 when it is (or when there was no session), 3 when the time is over first. Complete is a day of which at
    least 98 % of each venue is held or explained; the sentence names what is not, and --strict waits for it, too.
    What it waits for it says at once, and each time that changes, on the standard error.

    Examples: `quantlab wait-ready --date today --timeout 7200 && python strategy.py`, `quantlab wait-ready --symbols
    2330,0050`.
    """
    only = [one.strip() for one in symbols.split(",") if one.strip()] if symbols else []
    context, session, start = get_platform().context(), read_day(day), time.monotonic()
    said = ""
    while True:
        found = look(context, session, dataset=dataset, strict=strict, symbols=only)
        left = timeout - (time.monotonic() - start)
        if found.ready or left <= 0:
            break
        if found.reason != said:  # beside the answer, for who watches it wait
            said = found.reason
            typer.echo(f"Waiting, {lasting(left)} at most: {said}", err=True)
        time.sleep(min(POLL, left))
    typer.echo(found.reason)
    raise typer.Exit(0 if found.ready else 3)
