"""What a run of a task would ask of the exchanges, with its parameters, before anybody starts it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from app.core.backfilling import wanted_by
from app.core.catching_up import limits
from app.core.celery_app import app
from app.core.queue import full_name
from app.core.referee import other_source
from app.core.wiring import Platform
from app.market.security import Venue
from app.services.backfill import plan_backfill
from app.services.catch_up import plan_catch_up
from app.services.context import Context
from app.services.securities import choose_securities
from app.services.sync_corporate_actions import action_queries
from app.services.sync_daily_bars import lacks_securities, last_days, session_units
from app.services.sync_figures import figure_units
from app.services.sync_month_bars import month_units
from app.services.sync_quotes import BATCH
from app.services.sync_some_bars import costs_less_by_month
from app.services.units import Unit
from app.sources import registry
from app.sources.base import ListQuery, MonthQuery, PeriodQuery, SessionQuery, Site
from app.store import units as ledger
from app.store.engine import transaction
from app.store.securities import HeldSecurity

Given = Mapping[str, Any]
"""The parameters of a task, validated, its defaults filled in."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Requests by site and the time that they take; *asks* False: such a task never asks anybody."""

    asks: bool = True
    requests: Mapping[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    measured: bool = False
    """Whether *seconds* is at the pace of the last ones; if not, it is the least that the sites' quotas allow."""


def cost_of(platform: Platform, task: str, parameters: Given) -> Cost:
    """What a run would ask for at this moment; the store is asked, never an exchange.

    On a new database, which lacks the securities lists, what depends on them is not counted.

    Raises:
        UnknownTask: no such task.
        InvalidParameter: a parameter is wrong, as starting it would say.
        ConfigurationError: who would be asked cannot be, as the settings are.
    """
    name = full_name(task)
    given = app.tasks[name].check_parameters((), parameters)
    count = COSTS[name]
    return Cost(asks=False) if count is None else count(platform, given)


def _lists(platform: Platform, _: Given) -> Cost:
    return _of(platform, lists=True)


def _daily_prices(platform: Platform, given: Given) -> Cost:
    context = platform.context()
    start, end = last_days(context, given["days"], given["end_date"])
    whole = given["stock_ids"] is None and given["universe"] in (None, "all")
    chosen = [] if whole else _choose(context, given, default="all")
    if chosen and costs_less_by_month(context, chosen, start=start, end=end):
        units = month_units(chosen, start=start, end=end)
        return _of(platform, units, like=MonthQuery("2330", end), lists=lacks_securities(context))
    sessions = session_units(context, start=start, end=end)
    return _of(platform, sessions, like=SessionQuery(end), lists=lacks_securities(context))


def _month_bars(platform: Platform, given: Given) -> Cost:
    context = platform.context()
    start, end = last_days(context, given["days"], given["end_date"])
    units = month_units(_choose(context, given, default="popular_5"), start=start, end=end)
    return _of(platform, units, like=MonthQuery("2330", end), lists=lacks_securities(context))


def _actions(platform: Platform, given: Given) -> Cost:
    context = platform.context()
    start, end = last_days(context, given["days"], given["end_date"])
    like = PeriodQuery(end, end)
    return _of(platform, action_queries(start, end), like=like, lists=lacks_securities(context))


def _figures(platform: Platform, given: Given) -> Cost:
    context = platform.context()
    start, end = last_days(context, given["days"], given["end_date"])
    units = figure_units(context, start=start, end=end, datasets=given["datasets"])
    return _of(platform, units, like=SessionQuery(end))


def _quotes(platform: Platform, given: Given) -> Cost:
    context = platform.context()
    chosen = _choose(context, given, default="popular_10")
    lists = lacks_securities(context)
    return _of(platform, lists=lists, more={Site.MIS.value: -(-len(chosen) // BATCH)} if chosen else {})


def _catch_up(platform: Platform, given: Given) -> Cost:
    plan = plan_catch_up(platform.context(), limits(platform.settings, days=given["days"]))
    requests = {site.value: number for site, number in plan.requests.items()}
    return Cost(requests=requests, seconds=plan.seconds, measured=plan.measured)


def _backfill(platform: Platform, given: Given) -> Cost:
    context = platform.context()
    pace = platform.settings.source_seconds_per_request
    plan = plan_backfill(context, wanted_by(context, given), seconds_per_request=pace)
    requests = {site.value: number for site, number in plan.requests.items()}
    return Cost(requests=requests, seconds=plan.seconds, measured=plan.measured)


def _compare(platform: Platform, given: Given) -> Cost:
    context = platform.context()
    other = other_source(given["source"], context, platform.settings)
    chosen = len(_choose(context, given, default="all"))
    if given["stock_ids"] is None:
        chosen = min(chosen, given["sample"])
    # FinLab hands over whole tables, whatever is asked: that is told as one.
    more = {other.name: chosen if other.name == Site.FINMIND.value else 1} if chosen else {}
    return _of(platform, lists=lacks_securities(context), more=more)


COSTS: dict[str, Callable[[Platform, Given], Cost] | None] = {
    "app.tasks.sync_stock_list": _lists,
    "app.tasks.sync_daily_prices": _daily_prices,
    "app.tasks.sync_ohlcv_data": _month_bars,
    "app.tasks.sync_latest_prices": _quotes,
    "app.tasks.sync_corporate_actions": _actions,
    "app.tasks.sync_market_figures": _figures,
    "app.tasks.catch_up": _catch_up,
    "app.tasks.backfill_bars": _backfill,
    "app.tasks.compare_sources": _compare,
    "app.tasks.replay_archive": None,
    "app.tasks.sync_qlib": None,
    "app.tasks.export_parquet": None,
    "app.tasks.cleanup_old_cache": None,
}
"""Every task; None: it asks nobody."""


def _of(
    platform: Platform,
    units: Iterable[Unit] = (),
    *,
    like: Any = None,
    lists: bool = False,
    more: Mapping[str, int] | None = None,
) -> Cost:
    """Of *units*, each one request *like* that one, of the securities *lists*, and of *more* requests by site."""
    numbers = Counter((unit.venue, unit.dataset) for unit in units)
    requests: Counter[str] = Counter(more or {})
    for (venue, dataset), number in numbers.items():
        requests[registry.dataset(venue, dataset).request(like).site.value] += number
    if lists:
        requests[registry.securities().request(ListQuery(Venue.TWSE)).site.value] += len(Venue)
    usual = platform.settings.source_seconds_per_request
    paces = {Site.FINMIND.value: platform.settings.finmind_pace}
    at_quota = max((number * paces.get(site, usual) for site, number in requests.items()), default=0.0)
    by_dataset: Counter[str] = Counter()
    for (_, dataset), number in numbers.items():
        by_dataset[dataset] += number
    with transaction(platform.engine) as connection:
        seen = {dataset: ledger.seconds_a_unit(connection, dataset) for dataset in by_dataset}
    worked = sum(number * (seen[dataset] or 0) for dataset, number in by_dataset.items())
    measured = bool(by_dataset) and not lists and not more and None not in seen.values()
    return Cost(requests=dict(requests), seconds=max(at_quota, worked), measured=measured)


def _choose(context: Context, given: Given, *, default: str) -> list[HeldSecurity]:
    """The securities that are named, or those of the *default* universe; none while no list is held."""
    if lacks_securities(context):
        return []
    named, universe = given["stock_ids"], given.get("universe")
    if named is None and universe is None:
        universe = default
    with transaction(context.engine) as connection:
        return choose_securities(connection, symbols=named, universe=universe, universes=context.universes)
