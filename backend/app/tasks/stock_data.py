"""Securities, daily bars and quotes from the exchanges."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from app.core.catching_up import limits
from app.core.celery_app import app
from app.core.config import get_settings
from app.core.referee import other_source, seed_of
from app.errors import NotASession
from app.market.calendar import TAIPEI
from app.market.sayings import say
from app.services import catch_up as service
from app.services.backfill import Wanted
from app.services.backfill import backfill_bars as backfill
from app.services.context import Context
from app.services.decisions import reparse
from app.services.referee import compare_bars, draw
from app.services.replay import replay_archive as replay
from app.services.report import Report
from app.services.securities import choose_securities
from app.services.sync_corporate_actions import sync_corporate_actions as sync_actions
from app.services.sync_daily_bars import ensure_securities, last_days, sync_daily_bars
from app.services.sync_figures import sync_figures
from app.services.sync_month_bars import sync_month_bars
from app.services.sync_quotes import sync_quotes
from app.services.sync_securities import sync_securities
from app.services.sync_some_bars import sync_some_bars
from app.store.engine import transaction
from app.store.securities import HeldSecurity
from app.tasks._base import QuantLabTask
from app.tasks.parameters import (
    Again,
    Datasets,
    Days,
    EndDate,
    FirstDay,
    LongDays,
    OneRule,
    OneVenue,
    OnlyQuarantined,
    OtherSource,
    Sample,
    Seed,
    StockIds,
    Universe,
)

_AFTER_THE_CLOSE = timedelta(minutes=10)
"""The last tick is due as the market closes, so its run begins a moment later; its schedule lets it be this late."""


@app.task(bind=True, name="app.tasks.sync_stock_list", soft_time_limit=600, time_limit=660)
def sync_stock_list(self: QuantLabTask) -> Report:
    """Fetch the securities lists of TWSE, TPEx and the emerging board: new, changed and delisted."""
    return sync_securities(self.context())


@app.task(bind=True, name="app.tasks.sync_daily_prices", soft_time_limit=3600, time_limit=3660)
def sync_daily_prices(
    self: QuantLabTask,
    stock_ids: StockIds = None,
    days: Days = 7,
    universe: Universe = None,
    end_date: EndDate = None,
) -> Report:
    """Fetch the last days of daily bars: the whole market, or only some securities."""
    context = self.context()
    start, end = last_days(context, days, end_date)
    if stock_ids is None and universe in (None, "all"):
        return sync_daily_bars(context, start=start, end=end)
    chosen = _choose(context, stock_ids, universe, default="all")
    return sync_some_bars(context, chosen, start=start, end=end)


@app.task(bind=True, name="app.tasks.catch_up", soft_time_limit=3600, time_limit=3660)
def catch_up(self: QuantLabTask, days: Days = get_settings().catch_up_days) -> Report:
    """Fetch the sessions of the last days that should be held and are not, below fresh data."""
    return service.catch_up(self.context(), limits(get_settings(), days=days))


@app.task(bind=True, name="app.tasks.backfill_bars", soft_time_limit=3600, time_limit=3660)
def backfill_bars(
    self: QuantLabTask, start: FirstDay, end: EndDate = None, venue: OneVenue = None, again: Again = False
) -> Report:
    """Fetch a range of daily bars that is not held, below fresh data; it goes on where it was interrupted."""
    context = self.context()
    return backfill(context, Wanted(start, end or context.today(), venue, again))


@app.task(bind=True, name="app.tasks.replay_archive", soft_time_limit=3600, time_limit=3660)
def replay_archive(
    self: QuantLabTask,
    start: FirstDay,
    end: EndDate = None,
    *,
    quarantined: OnlyQuarantined = False,
    rule: OneRule = None,
) -> Report:
    """Rebuild the tables from the archived replies, by today's parsers, without a request."""
    context = self.context()
    if quarantined:
        return reparse(context, start=start, end=end or context.today(), rule=rule)
    return replay(context, start=start, end=end or context.today())


@app.task(bind=True, name="app.tasks.sync_ohlcv_data", soft_time_limit=3600, time_limit=3660)
def sync_ohlcv_data(
    self: QuantLabTask,
    stock_ids: StockIds = None,
    days: Days = 30,
    universe: Universe = None,
    end_date: EndDate = None,
) -> Report:
    """Read some securities' month history again, compare with what is held, and record revisions."""
    context = self.context()
    start, end = last_days(context, days, end_date)
    chosen = _choose(context, stock_ids, universe, default="popular_5")
    return sync_month_bars(context, chosen, start=start, end=end)


@app.task(bind=True, name="app.tasks.sync_corporate_actions", soft_time_limit=3600, time_limit=3660)
def sync_corporate_actions(self: QuantLabTask, days: LongDays = 30, end_date: EndDate = None) -> Report:
    """Fetch the corporate actions of the last days into the ledger that adjusted prices are made from."""
    context = self.context()
    start, end = last_days(context, days, end_date)
    return sync_actions(context, start=start, end=end)


@app.task(bind=True, name="app.tasks.sync_market_figures", soft_time_limit=3600, time_limit=3660)
def sync_market_figures(
    self: QuantLabTask, datasets: Datasets = None, days: Days = 7, end_date: EndDate = None
) -> Report:
    """Fetch the last days of institutional trades, margin balances, valuations and indices."""
    context = self.context()
    start, end = last_days(context, days, end_date)
    return sync_figures(context, start=start, end=end, datasets=datasets)


@app.task(bind=True, name="app.tasks.compare_sources", soft_time_limit=3600, time_limit=3660)
def compare_sources(
    self: QuantLabTask,
    source: OtherSource = "finmind",
    stock_ids: StockIds = None,
    sample: Sample = 20,
    *,
    days: LongDays = 30,
    end_date: EndDate = None,
    seed: Seed = None,
) -> Report:
    """Compare held bars with those of another source, by sample or by name; what is held stays as it is."""
    context = self.context()
    start, end = last_days(context, days, end_date)
    chosen = _choose(context, stock_ids, None, default="all")
    if stock_ids is None:
        seed = seed_of(context.run_id) if seed is None else seed
        chosen = draw(chosen, sample, seed=seed)
    other = other_source(source, context, get_settings())
    report = compare_bars(context, other, chosen, start=start, end=end)
    if stock_ids is not None:
        return report
    told = f"{len(chosen)} securities, drawn with the seed {seed}. {report.reason}"
    return replace(report, reason=told, details={**report.details, "seed": seed, "symbols": [x.symbol for x in chosen]})


@app.task(bind=True, name="app.tasks.sync_latest_prices", soft_time_limit=600, time_limit=660)
def sync_latest_prices(self: QuantLabTask, stock_ids: StockIds = None, universe: Universe = None) -> Report:
    """Fetch the latest quotes of some securities, or of the whole market, into the cache."""
    context = self.context()
    now = context.clock()
    if self.request.get("trigger") == "schedule" and not context.calendar().in_session(now, late=_AFTER_THE_CLOSE):
        raise NotASession(say("market_closed", time=f"{now.astimezone(TAIPEI):%Y-%m-%d %H:%M}"))
    chosen = _choose(context, stock_ids, universe, default="popular_10")
    return sync_quotes(context, chosen)


def _choose(
    context: Context, stock_ids: Sequence[str] | None, universe: str | None, *, default: str
) -> list[HeldSecurity]:
    """The securities that the caller named, or those of the *default* universe."""
    ensure_securities(context)
    if stock_ids is None and universe is None:
        universe = default
    with transaction(context.engine) as connection:
        return choose_securities(connection, symbols=stock_ids, universe=universe, universes=context.universes)
