"""``quantlab backfill`` and ``quantlab gaps``: a range of history with its cost first, and what is missing in it."""

from __future__ import annotations

import time
from dataclasses import asdict
from datetime import date, datetime, timedelta
from typing import Annotated

import typer

from app.cli.changes import start_task
from app.cli.data import follow
from app.cli.output import AsJson, console, print_json, print_source, table
from app.core.wiring import get_platform
from app.market.calendar import TAIPEI
from app.market.security import Venue
from app.services.backfill import Wanted, plan_backfill
from app.services.readiness import look
from app.store.coverage import BARS, list_unheld, read_coverage
from app.store.engine import transaction

TASK = "app.tasks.backfill_bars"
REPLAY = "app.tasks.replay_archive"
POLL = 5.0
"""Seconds between two looks of wait-ready."""
FEW = 12
"""Missing symbols that are named a session; --symbols names all."""

backfill = typer.Typer(
    help="Fetch a range of history that is not held, below fresh data; its cost first.", no_args_is_help=True
)

_From = Annotated[datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="the first day, from 2004-02-11 on")]
_To = Annotated[str, typer.Option("--to", help="the last day, YYYY-MM-DD or today")]
_Venue = Annotated[Venue | None, typer.Option(help="TWSE or TPEX (default: both)", case_sensitive=False)]


def _day(word: str) -> date:
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
    wanted = Wanted(start.date(), _day(end), venue, again)
    pace = platform.settings.source_seconds_per_request
    plan = plan_backfill(platform.context(), wanted, seconds_per_request=pace)
    if as_json and plan_only:
        print_json(plan.as_json())
        return
    if not as_json:
        print_source()
        requests = ", ".join(f"{number:,} of {site.value}" for site, number in plan.requests.items()) or "no requests"
        console().print(
            f"{len(plan.cells):,} sessions of a venue to fetch, {plan.held:,} held: {requests}, "
            f"{_long(plan.seconds)} at the least.",
            highlight=False,
        )
    if plan_only or not plan.cells:
        return
    parameters: dict[str, object] = {"start": wanted.start.isoformat(), "end": wanted.end.isoformat()}
    parameters |= {"venue": venue.value} if venue else {}
    parameters |= {"again": True} if again else {}
    started = start_task(TASK, parameters)
    follow(started, TASK, wait=wait, timeout=float("inf"), as_json=as_json)


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
    parameters = {"start": start.date().isoformat(), "end": _day(end).isoformat()}
    started = start_task(REPLAY, parameters)
    follow(started, REPLAY, wait=wait, timeout=float("inf"), as_json=as_json)


def gaps(
    start: Annotated[datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="default: 30 days ago")] = None,
    end: _To = "today",
    venue: _Venue = None,
    *,
    fill: Annotated[bool, typer.Option("--fill", help="fetch the sessions that miss something, and watch")] = False,
    every: Annotated[bool, typer.Option("--all", help="show whole sessions, too")] = False,
    as_json: AsJson = False,
) -> None:
    """Every session of a range accounted for: expected, held, explained, missing; and which symbols are missing.

    A session that was never asked for has no line in the account, and counts as missing whole. Exit code 3 when
    something is missing.

    Examples: `quantlab gaps`, `quantlab gaps --from 2024-01-01 --to 2024-06-30 --fill`.
    """
    last = _day(end)
    first = start.date() if start else last - timedelta(days=30)
    platform = get_platform()
    context = platform.context()
    with transaction(platform.engine) as connection:
        covered = read_coverage(connection, start=first, end=last, dataset=BARS, venue=venue)
    plan = plan_backfill(context, Wanted(first, last, venue), seconds_per_request=0)
    known = {(one.session, one.venue) for one in covered}
    unasked = [cell for cell in plan.cells if (cell.session, cell.venue) not in known]
    lacking = [one for one in covered if one.missing or one.quarantined]
    if as_json:
        print_json(
            {
                "covered": [asdict(one) for one in (covered if every else lacking)],
                "never_asked": [asdict(cell) for cell in unasked],
            }
        )
    else:
        print_source()
        made = table("session", "venue", ">expected", ">held", ">explained", ">quarantined", ">missing", "symbols")
        with transaction(platform.engine) as connection:
            for one in covered if every else lacking:
                cells = list_unheld(connection, one.venue, [one.session]) if one.missing else []
                names = [cell.symbol for cell in cells if cell.state == "missing"]
                shown = " ".join(names[:FEW]) + (f" … {len(names) - FEW} more" if len(names) > FEW else "")
                numbers = (one.expected, one.held, sum(one.explained.values()), one.quarantined, one.missing)
                made.add_row(str(one.session), one.venue.value, *(f"{number:,}" for number in numbers), shown)
        if made.row_count:
            console().print(made)
        missing = sum(one.missing for one in covered)
        console().print(
            f"{first} … {last}: {len(covered)} sessions of a venue accounted for, {missing:,} bars missing, "
            f"{len(unasked)} sessions never asked for.",
            highlight=False,
        )
    if fill and (unasked or lacking):
        parameters: dict[str, object] = {"start": first.isoformat(), "end": last.isoformat()}
        parameters |= {"venue": venue.value} if venue else {}
        follow(start_task(TASK, parameters), TASK, wait=True, timeout=1e9, as_json=as_json)
    if lacking or unasked:
        if not fill and not as_json:
            console().print(f"To fetch them: quantlab gaps --from {first} --to {last} --fill", highlight=False)
        raise typer.Exit(3)


def wait_ready(
    day: Annotated[str, typer.Option("--date", help="the session, YYYY-MM-DD or today")] = "today",
    *,
    dataset: Annotated[str, typer.Option(help="which dataset")] = BARS,
    timeout: Annotated[float, typer.Option(help="seconds to wait at most; 0: only look")] = 3600,
) -> None:
    """Wait until a day's data are complete: for strategies that start after the data.

    Exit code 0 when it is (or when there was no session), 3 when the time is over first.

    Example: `quantlab wait-ready --date today --timeout 7200 && python strategy.py`.
    """
    context, session, start = get_platform().context(), _day(day), time.monotonic()
    while True:
        found = look(context, session, dataset=dataset)
        left = timeout - (time.monotonic() - start)
        if found.ready or left <= 0:
            break
        time.sleep(min(POLL, left))
    typer.echo(found.reason)
    raise typer.Exit(0 if found.ready else 3)


def _long(seconds: float) -> str:
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min" if minutes else f"{seconds:.0f} s"
