"""``quantlab actions``: the ledger of corporate actions, with what each does to the prices before it."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated

import typer

from app.cli.output import AsJson, console, local, print_json, print_source, table
from app.cli.times import DAY, AsOf, day
from app.core.wiring import get_platform
from app.errors import UnknownSymbol
from app.market.adjustment import factors_of
from app.market.bar import to_decimal
from app.store import securities
from app.store.corporate_actions import list_actions
from app.store.engine import transaction


def actions(
    symbol: Annotated[str | None, typer.Argument(help="of this security; of all when left out")] = None,
    *,
    start: Annotated[datetime | None, typer.Option("--from", parser=day, metavar=DAY, help="the first ex-date")] = None,
    end: Annotated[datetime | None, typer.Option("--to", parser=day, metavar=DAY, help="the last ex-date")] = None,
    as_of: AsOf = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="how many, the newest first")] = 50,
    as_json: AsJson = False,
) -> None:
    """List corporate actions, newest ex-date first: what the exchange made of the last close.

    The ratio is reference price / previous close. Of one security also the factor: what its raw prices before that
    date are multiplied with, by this action and all later ones together, so that the newest price stays as it is.

    Examples: `quantlab actions 0050`, `quantlab actions --from 2025-06-01 --to 2025-06-30`.
    """
    with transaction(get_platform().engine) as connection:
        if symbol is not None and securities.find(connection, symbol) is None:
            raise UnknownSymbol(f"No securities list holds {symbol!r}. If it is new: `quantlab sync securities`.")
        found = list_actions(
            connection,
            symbol=symbol,
            start=start.date() if start else None,
            end=end.date() if end else None,
            as_of=as_of,
            limit=limit,
        )
        whole = [] if symbol is None else list_actions(connection, symbol=symbol, as_of=as_of)
    if as_json:
        print_json([{**asdict(held.action), "source": held.source, "recorded_at": held.recorded_at} for held in found])
        return
    print_source()
    if not found:
        typer.echo("No such action is held. Fetch them: quantlab sync actions")
        return
    factors = factors_of([held.action for held in whole])
    before = dict(zip(factors.ex_dates, factors.values, strict=False))
    made = table("ex-date", "symbol", "kind", ">close before", ">reference", ">ratio", ">factor", "source", "recorded")
    for held in found:
        one = held.action
        prices = (str(to_decimal(price)) for price in (one.previous_close, one.reference_price))
        factor = f"{float(before[one.ex_date]):.6f}" if one.ex_date in before else ""
        ratio = f"{float(one.ratio):.6f}"
        row = (str(one.ex_date), one.symbol, one.kind, *prices, ratio, factor, held.source, local(held.recorded_at))
        made.add_row(*row)
    console().print(made)
