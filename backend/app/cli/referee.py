"""``quantlab referee``: compare what is held with what another source says, and list where they differ."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

import typer

from app.cli.changes import start_task
from app.cli.data import follow
from app.cli.output import AsJson, console, local, print_json, print_source, table
from app.cli.times import DAY, day
from app.core.referee import OtherName
from app.core.wiring import get_platform
from app.errors import InvalidParameter
from app.market.bar import BAR_FIELDS, PRICE_FIELDS, to_decimal
from app.store.differences import count_differences, list_differences
from app.store.engine import transaction

TASK = "app.tasks.compare_sources"
EVERYBODY = 5_000

referee = typer.Typer(
    help="Compare bars with those of another source; what the exchange said is never overwritten.", no_args_is_help=True
)

_Source = Annotated[OtherName, typer.Option(help="finmind, or finlab (optional package, token)")]


@referee.command("run")
def run_now(
    source: _Source = "finmind",
    symbols: Annotated[str | None, typer.Option(help="only these, by commas: 2330,2317")] = None,
    *,
    sample: Annotated[int, typer.Option(min=1, max=EVERYBODY, help="so many securities, drawn")] = 20,
    everybody: Annotated[bool, typer.Option("--all", help="every listed security: hours, at FinMind's quota")] = False,
    days: Annotated[int, typer.Option(min=1, max=10_000, help="calendar days, counted back from the end date")] = 30,
    end_date: Annotated[
        datetime | None, typer.Option(parser=day, metavar=DAY, help="the last day (default: today in Taipei)")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="draw the sample of an earlier run again")] = None,
    timeout: Annotated[float, typer.Option(help="seconds to watch it at most; it goes on without us")] = 7200,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="watch it, or only queue it and print its id")] = True,
    as_json: AsJson = False,
) -> None:
    """Compare a sample, some symbols or all, below fresh data, and watch it.

    Exit codes as of `quantlab sync`: differences are a result, and no failure.

    Examples: `quantlab referee run`, `quantlab referee run --symbols 2330,6488 --days 365`.
    """
    given: dict[str, Any] = {
        "source": source,
        "stock_ids": [one.strip() for one in symbols.split(",") if one.strip()] if symbols is not None else None,
        "sample": EVERYBODY if everybody else sample,
        "days": days,
        "end_date": end_date.date().isoformat() if end_date else None,
        "seed": seed,
    }
    started = start_task(TASK, {k: v for k, v in given.items() if v is not None})
    follow(started, TASK, wait=wait, timeout=timeout, as_json=as_json)


@referee.command("list")
def show(
    source: Annotated[OtherName | None, typer.Option(help="only of this source")] = None,
    symbol: Annotated[str | None, typer.Option(help="only of this security")] = None,
    field: Annotated[str | None, typer.Option(help=f"only of this field: {', '.join(BAR_FIELDS)}")] = None,
    *,
    start: Annotated[datetime | None, typer.Option("--from", parser=day, metavar=DAY, help="the first session")] = None,
    end: Annotated[datetime | None, typer.Option("--to", parser=day, metavar=DAY, help="the last session")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="how many, the newest first")] = 50,
    as_json: AsJson = False,
) -> None:
    """List the differences that comparisons found, with both values; prices in TWD.

    Example: `quantlab referee list --symbol 2330 --field close`.
    """
    if field is not None and field not in BAR_FIELDS:
        raise InvalidParameter(f"There is no field {field!r}; there are {', '.join(BAR_FIELDS)}.")
    which: dict[str, Any] = {"source": source, "symbol": symbol, "field": field}
    which |= {"start": start.date() if start else None, "end": end.date() if end else None}
    with transaction(get_platform().engine) as connection:
        found = list_differences(connection, **which, limit=limit)
        total = count_differences(connection, **which)
    if as_json:
        rows = [asdict(one) | {side: _value(one.field, getattr(one, side)) for side in _SIDES} for one in found]
        print_json({"total": total, "differences": rows})
        return
    print_source()
    if not found:
        console().print("No difference is known. `quantlab referee run` looks for some.")
        return
    made = table("session", "symbol", "field", ">ours", ">theirs", "source", "seen")
    for one in found:
        sides = ("–" if (value := _value(one.field, getattr(one, side))) is None else str(value) for side in _SIDES)
        made.add_row(str(one.session), one.symbol, one.field, *sides, one.source, local(one.seen_at))
    console().print(made)
    if total > len(found):
        console().print(f"{total:,} in all; --limit shows more.")


_SIDES = ("ours", "theirs")


def _value(field: str, value: int | None) -> int | str | None:
    return value if value is None or field not in PRICE_FIELDS else f"{to_decimal(value):f}"
