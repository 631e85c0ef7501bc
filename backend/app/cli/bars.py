"""``quantlab bars`` and ``quantlab revisions``: a history now or as it stood, and what was changed in it."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated

import typer

from app.cli.output import AsJson, console, local, print_json, print_source, table
from app.cli.times import DAY, AsOf, day
from app.core.wiring import get_platform
from app.market.adjustment import Adjustment, Direction, Method, adjusted
from app.market.bar import PRICE_FIELDS, to_decimal
from app.services.history import read_history
from app.store.bars_as_of import recorded_since
from app.store.engine import transaction
from app.store.revisions import list_revisions

_WIDE = 110


def bars(
    symbol: Annotated[str, typer.Argument(help="of this security, such as 2330")],
    *,
    start: Annotated[datetime | None, typer.Option("--from", parser=day, metavar=DAY, help="the first session")] = None,
    end: Annotated[datetime | None, typer.Option("--to", parser=day, metavar=DAY, help="the last session")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="how many, the newest")] = 20,
    adjust: Annotated[
        Direction | None, typer.Option("--adjusted", help="back: the newest price stays raw; forward: the oldest")
    ] = None,
    method: Annotated[Method, typer.Option(help="what adjusting makes good for")] = Method.TOTAL_RETURN,
    as_of: AsOf = None,
    as_json: AsJson = False,
) -> None:
    """Show the daily bars of a security, oldest first: prices in TWD, volume in shares.

    --as-of shows them as they stood then: without what came later, and with what the exchange had not yet corrected.

    Examples: `quantlab bars 2330`, `quantlab bars 0050 --adjusted back --from 2025-06-01`,
    `quantlab bars 2330 --as-of 2026-11-20T21:00`.
    """
    with transaction(get_platform().engine) as connection:
        history = read_history(
            connection,
            symbol,
            start=start.date() if start else None,
            end=end.date() if end else None,
            limit=limit,
            adjustment=Adjustment(adjust, method) if adjust else None,
            as_of=as_of,
        )
        since = None if history.rows or as_of is None else recorded_since(connection, symbol)
    shown = [(bar, adjusted(bar, history.factors.factor_on(bar.session))) for bar in history.bars]
    if as_json:
        print_json(
            [
                {"session": bar.session, **made.prices, "volume": made.volume, "turnover": bar.turnover}
                | {"trades": bar.trades, "applied_factor": float(made.factor)}
                for bar, made in shown
            ]
        )
        return
    print_source()
    if not shown:
        if as_of and since and as_of < since:
            typer.echo(f"No bar of {symbol} was held then: they are recorded since {local(since)} (Taipei).")
        elif since or start or end:
            typer.echo(f"No bar of {symbol} of these sessions was held{' then' if as_of else ''}: quantlab gaps")
        else:
            typer.echo(f"No bar of {symbol} is held. Fetch the market's: quantlab sync bars")
        return
    out = console()
    # A terminal of 80 columns has room for what people look for first; --json has all in any case.
    more = (">turnover", ">trades", ">applied factor") if out.width >= _WIDE else ()
    made_of = table("session", *(f">{name}" for name in PRICE_FIELDS), ">volume", *more)
    for bar, made in shown:
        prices = ("" if (price := made.prices[name]) is None else f"{price:f}" for name in PRICE_FIELDS)
        amounts = ["" if one is None else f"{one:,}" for one in (made.volume, bar.turnover, bar.trades)]
        cells = (str(bar.session), *prices, *amounts, f"{float(made.factor):.6g}")
        made_of.add_row(*cells[: len(made_of.columns)])
    out.print(made_of)
    if history.more:
        typer.echo(f"There are older ones: --limit, or --to {history.bars[0].session}")


def revisions(
    symbol: Annotated[str | None, typer.Argument(help="of this security; of all when left out")] = None,
    *,
    run_id: Annotated[str | None, typer.Option("--run", help="that this run found")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="how many, the newest first")] = 50,
    as_json: AsJson = False,
) -> None:
    """List values that an exchange published and later changed, newest first, with both.

    Examples: `quantlab revisions`, `quantlab revisions 2330`.
    """
    with transaction(get_platform().engine) as connection:
        found = list_revisions(connection, symbol=symbol, run_id=run_id, limit=limit)
    if as_json:
        print_json([asdict(one) for one in found])
        return
    print_source()
    if not found:
        typer.echo("The exchanges changed nothing of what is held, as far as it was read again.")
        return
    made = table("seen", "session", "symbol", "field", ">before", ">now", "source", "run")
    for one in found:
        cells = (_value(one.field, value) for value in (one.old, one.new))
        made.add_row(
            local(one.seen_at), str(one.session), one.symbol, one.field, *cells, one.source, (one.run_id or "")[:8]
        )
    console().print(made)


def _value(field: str, value: int | None) -> str:
    """A price in TWD, an amount as it is; a value that was taken back in a word."""
    if value is None:
        return "withdrawn"
    return f"{to_decimal(value)}" if field in PRICE_FIELDS else f"{value:,}"
