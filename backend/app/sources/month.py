"""What the month histories of all venues share: a reply is for one security and one month."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import date

from app.errors import WrongDate
from app.sources.base import RejectedRow


def require_month(session: date, month: date, *, site: str) -> date:
    """The session, if it lies in the month asked for; else the whole reply is for another one: WrongDate."""
    if (session.year, session.month) != (month.year, month.month):
        message = f"{site} was asked for {month:%Y-%m} and answered with {session}"
        raise WrongDate(message, site=site, asked=month, found=session, rule="date-echo")
    return session


def named(rejected: Iterable[RejectedRow], symbol: str) -> tuple[RejectedRow, ...]:
    """Rejected rows with the symbol that was asked for: rows of a month history carry none themselves."""
    return tuple(replace(row, symbol=symbol) for row in rejected)
