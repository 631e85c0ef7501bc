"""``quantlab gaps``: every session of a range accounted for, and what can be done about those that are not whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import date, datetime, timedelta
from typing import Annotated

import typer

from app.cli.backfill import BarVenue, read_day
from app.cli.changes import start_task
from app.cli.data import follow
from app.cli.output import AsJson, console, print_json, print_source, table
from app.cli.times import DAY, day
from app.core.backfilling import TASK
from app.core.wiring import get_platform
from app.market.gaps import Cell
from app.market.security import Venue
from app.services.backfill import Wanted, plan_backfill
from app.store.coverage import BARS, Covered, list_unheld, read_coverage
from app.store.engine import transaction

DAYS = 30
"""Calendar days that are looked at by default, the last one included: those of `quantlab sync bars --days 30`."""
FEW = 12
"""Symbols, and sessions that were never asked for, that are named; --json names all."""


def gaps(
    start: Annotated[
        datetime | None, typer.Option("--from", parser=day, metavar=DAY, help=f"the first of {DAYS} days when left out")
    ] = None,
    end: Annotated[str, typer.Option("--to", help="the last day, YYYY-MM-DD or today")] = "today",
    venue: Annotated[BarVenue | None, typer.Option(help="default: both", case_sensitive=False)] = None,
    *,
    fill: Annotated[bool, typer.Option("--fill", help="fetch the sessions that miss something, and watch")] = False,
    every: Annotated[bool, typer.Option("--all", help="show whole sessions, too")] = False,
    as_json: AsJson = False,
) -> None:
    """Every session of a range accounted for: expected, held, explained, missing; and which symbols are missing.

    A session that was never asked for has no line in the account, and counts as missing whole. Exit code 3 when
    something is missing or was never asked for; what waits in quarantine is counted apart, for nobody can fetch it.

    Examples: `quantlab gaps`, `quantlab gaps --from 2024-01-01 --to 2024-06-30 --fill`.
    """
    last = read_day(end)
    first = start.date() if start else last - timedelta(days=DAYS - 1)
    wanted = Wanted(first, last, Venue(venue) if venue else None)
    platform = get_platform()
    with transaction(platform.engine) as connection:
        covered = read_coverage(connection, start=first, end=last, dataset=BARS, venue=wanted.venue)
    plan = plan_backfill(platform.context(), wanted, seconds_per_request=0)
    known = {(one.session, one.venue) for one in covered}
    unasked = [cell for cell in plan.cells if (cell.session, cell.venue) not in known]
    lacking = [one for one in covered if one.missing]
    waiting = [one for one in covered if one.quarantined]
    shown = [one for one in covered if every or one.missing or one.quarantined]
    if as_json:
        never_asked = [asdict(cell) for cell in unasked]
        totals = _totals(covered, never_asked=len(unasked))
        found = {"covered": [asdict(one) for one in shown], "never_asked": never_asked}
        print_json({"from": first, "to": last, "totals": totals, **found})
    else:
        print_source()
        _show(shown, first_and_last=f"{first} … {last}", totals=_totals(covered, never_asked=len(unasked)))
        for sentence in _ways_out(wanted, plan.cells, unasked=unasked, lacking=lacking, waiting=waiting, fill=fill):
            console().print(sentence, markup=False, soft_wrap=True)
    if fill and plan.cells:
        parameters: dict[str, object] = {"start": first.isoformat(), "end": last.isoformat()}
        parameters |= {"venue": venue} if venue else {}
        follow(start_task(TASK, parameters), TASK, wait=True, timeout=1e9, as_json=as_json)
    if lacking or unasked:
        raise typer.Exit(3)


def _totals(covered: Sequence[Covered], *, never_asked: int) -> dict[str, int]:
    """Of the whole range, in securities; the sessions are those of a venue."""
    numbers = {name: sum(getattr(one, name) for one in covered) for name in ("expected", "held", "quarantined")}
    explained = sum(sum(one.explained.values()) for one in covered)
    missing = sum(one.missing for one in covered)
    counted = {"sessions": len(covered), "never_asked": never_asked}
    return {**counted, **numbers, "explained": explained, "missing": missing}


def _show(shown: Sequence[Covered], *, first_and_last: str, totals: dict[str, int]) -> None:
    made = table("session", "venue", ">expected", ">held", ">explained", ">quarantined", ">missing", "symbols")
    with transaction(get_platform().engine) as connection:
        for one in shown:
            cells = list_unheld(connection, one.venue, [one.session]) if one.missing or one.quarantined else []
            missing, waiting = (
                folded([cell.symbol for cell in cells if cell.state == state]) for state in ("missing", "quarantined")
            )
            named = " ".join(filter(None, (missing, waiting and f"({waiting})")))
            numbers = (one.expected, one.held, sum(one.explained.values()), one.quarantined, one.missing)
            made.add_row(str(one.session), one.venue.value, *(f"{number:,}" for number in numbers), named)
    if made.row_count:
        console().print(made)
    console().print(
        f"{first_and_last}: {totals['sessions']} sessions of a venue accounted for, {totals['missing']:,} bars "
        f"missing, {totals['quarantined']:,} in quarantine, {totals['never_asked']} sessions never asked for.",
        soft_wrap=True,
    )


def _ways_out(
    wanted: Wanted,
    fillable: Sequence[Cell],
    *,
    unasked: Sequence[Cell],
    lacking: Sequence[Covered],
    waiting: Sequence[Covered],
    fill: bool,
) -> list[str]:
    """What helps against each sort of gap; a sentence that names a command names its range."""
    said = [f"Never asked for: {_by_session(unasked)}"] if unasked else []
    if fillable and not fill:
        said.append(f"To fetch them: quantlab gaps --from {wanted.start} --to {wanted.end} --fill")
    # Nearly whole sessions are not asked for again by themselves: what they lack may never come.
    if few := [one for one in lacking if Cell(one.session, one.venue) not in fillable]:
        said.append(
            f"Nearly whole are {len(few)} of them, which are read again by: quantlab backfill bars "
            f"--from {_first(few)} --to {_last(few)} --again"
        )
    if waiting:
        said.append(
            f"In quarantine (in brackets): quantlab quarantine list --from {_first(waiting)} --to {_last(waiting)}"
        )
    return said


def _by_session(cells: Sequence[Cell]) -> str:
    """Each session once, with the venues in question."""
    venues: dict[date, list[str]] = {}
    for cell in cells:
        venues.setdefault(cell.session, []).append(cell.venue.value)
    return folded([f"{day} ({', '.join(some)})" for day, some in venues.items()])


def folded(names: Sequence[str]) -> str:
    """The first few, and how many more."""
    return " ".join(names[:FEW]) + (f" … {len(names) - FEW} more" if len(names) > FEW else "")


def _first(some: Sequence[Covered]) -> date:
    return min(one.session for one in some)


def _last(some: Sequence[Covered]) -> date:
    return max(one.session for one in some)
