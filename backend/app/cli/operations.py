"""What an operator does by hand: closures, breakers, the token."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from app.cli.changes import change
from app.cli.times import DAY, day
from app.core.config import get_settings
from app.core.wiring import get_platform, now
from app.market.written import in_taipei
from app.services import trading_days
from app.services.identity import local_user
from app.sources.base import Site

calendar = typer.Typer(help="Days on which the market opens or closes against the calendar.", no_args_is_help=True)
breaker = typer.Typer(help="Sites that are not asked after a ban or many failures.", no_args_is_help=True)

_Day = Annotated[datetime, typer.Argument(parser=day, metavar=DAY, help="YYYY-MM-DD")]
_Reason = Annotated[str, typer.Option(help="why, for those who read it later")]


def token() -> None:
    """Print the admin token, with which a program on this machine may change everything over HTTP.

    Example: `curl -X POST -H "Authorization: Bearer $(quantlab token)" localhost:3000/api/v1/alerts/test`.
    """
    typer.echo(get_settings().admin_token())


@calendar.command("close")
def calendar_close(day: _Day, reason: _Reason) -> None:
    """The market is closed on that day, a typhoon for instance.

    Example: `quantlab calendar close 2026-08-11 --reason 颱風`.
    """
    _override(day, is_open=False, reason=reason)


@calendar.command("open")
def calendar_open(day: _Day, reason: _Reason) -> None:
    """The market trades on that day, a make-up Saturday for instance.

    Example: `quantlab calendar open 2026-02-14 --reason 補交易`.
    """
    _override(day, is_open=True, reason=reason)


@calendar.command("forget")
def calendar_forget(day: _Day) -> None:
    """Take an earlier word about that day back; the calendar decides again.

    Example: `quantlab calendar forget 2026-08-11`.
    """
    with change("calendar.forget", f"{day:%Y-%m-%d}") as row:
        row.before = trading_days.forget_day(get_platform().engine, day.date())
    typer.echo(f"{day:%Y-%m-%d}: the calendar decides again.")


def _override(day: datetime, *, is_open: bool, reason: str) -> None:
    with change("calendar.override", f"{day:%Y-%m-%d}") as row:
        row.before, row.after = trading_days.override_day(
            get_platform().engine, day.date(), is_open=is_open, reason=reason, by=local_user(), at=now()
        )
    typer.echo(f"{day:%Y-%m-%d} counts as {'open' if is_open else 'closed'}: {reason}")


@breaker.command("close")
def breaker_close(site: Annotated[Site, typer.Argument(help="twse, twse_openapi, tpex, mis, isin or finmind")]) -> None:
    """Let a site be asked again now, after you have looked at why it was not.

    Example: `quantlab breaker close twse`.
    """
    shared = get_platform().breaker
    with change("breaker.close", site.value) as row:
        row.before = state = shared.state(site)
        shared.close(site)
    if state is None:
        typer.echo(f"The breaker of {site} was not open; its failures are forgotten.")
    else:
        typer.echo(f"{site} may be asked again. It was not since {in_taipei(state['since'])}: {state['reason']}")
