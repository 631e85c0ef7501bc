"""Daily bars of some securities, by whichever way asks the exchanges less."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from app.cache.keys import BARS
from app.market.security import BAR_VENUES
from app.services.context import Context
from app.services.report import Report
from app.services.sync_daily_bars import sync_daily_bars
from app.services.sync_month_bars import months_between, sync_month_bars
from app.store.securities import HeldSecurity


def sync_some_bars(context: Context, securities: Sequence[HeldSecurity], *, start: date, end: date) -> Report:
    """One request a security and month, or two a session for the whole market (which then is stored whole)."""
    if costs_less_by_month(context, securities, start=start, end=end):
        return sync_month_bars(context, securities, start=start, end=end, key=BARS)
    return sync_daily_bars(context, start=start, end=end)


def costs_less_by_month(context: Context, securities: Sequence[HeldSecurity], *, start: date, end: date) -> bool:
    """Whether a request a security and month is less than two a session."""
    by_month = len(securities) * len(months_between(start, end))
    return by_month <= len(BAR_VENUES) * len(context.calendar().sessions_between(start, end))
