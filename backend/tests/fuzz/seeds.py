"""What is mutated: the recording of every dataset, and replies of the sandbox where a recording has one row only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from typing import Any

from app.market.security import Venue
from app.sandbox import finmind, isin, mis, tpex, twse
from app.sandbox.cells import to_json
from app.sandbox.exchange import TAIPEI, Exchange
from app.sandbox.server import fixed_clock
from app.sandbox.synthetic import SyntheticPrices
from app.sources import registry
from app.sources.base import Dataset, LatestQuery, ListQuery, MonthQuery, QuotesQuery, RangeQuery
from tests.contract import layouts, test_datasets
from tests.contract.dataset_contract import DatasetContract
from tests.contract.figures_contract import FiguresContract

ROWS = 12
"""Rows kept of a reply of the sandbox: enough for neighbours, few enough to be quick."""


@dataclass(frozen=True)
class Seed:
    """A true reply. ``shape`` says how its rows lie in it: ``table``, ``objects`` or ``page`` (HTML)."""

    name: str
    owner: Venue | str
    dataset: Dataset[Any, Any]
    query: Any
    body: bytes
    shape: str
    contract: type[FiguresContract] | None = None
    """Of figures: where each of them stands."""


_SHAPES = {layouts.json_tables: "table", layouts.html_table: "page"}


def _recorded() -> Iterator[Seed]:
    owners = {kind: owner for (owner, _), kind in registry.DATASETS.items()}
    for contract in vars(test_datasets).values():
        if isinstance(contract, type) and issubclass(contract, DatasetContract) and hasattr(contract, "recording"):
            shape = _SHAPES.get(contract.layout, "objects")
            owner = owners[type(contract.dataset)]
            body = contract().body
            figures = contract if issubclass(contract, FiguresContract) else None
            yield Seed(contract.recording, owner, contract.dataset, contract.query, body, shape, figures)


def _several(rows: Sequence[Any]) -> Sequence[Any]:
    """Some rows from all over the list, so that each kind of security is among them."""
    return rows[:: max(1, len(rows) // ROWS)][:ROWS]


def _simulated() -> Iterator[Seed]:
    now = datetime(2026, 11, 23, 20, 0, tzinfo=TAIPEI)
    month = date(2026, 11, 1)
    exchange = Exchange(SyntheticPrices(seed=7), clock=fixed_clock(now))

    def seed(name: str, owner: Any, dataset: str, query: Any, body: bytes, shape: str) -> Seed:  # noqa: PLR0917
        return Seed(f"sandbox/{name}", owner, registry.dataset(owner, dataset), query, body, shape)

    body = to_json(twse.month_table(month, exchange.month("2330", Venue.TWSE, month)))
    yield seed("twse_month", Venue.TWSE, "month_bars", MonthQuery("2330", month), body, "table")
    body = to_json(tpex.month_table(month, "6488", exchange.month("6488", Venue.TPEX, month)))
    yield seed("tpex_month", Venue.TPEX, "month_bars", MonthQuery("6488", month), body, "table")
    rows = _several(exchange.table(exchange.latest(), Venue.TPEX, warrants=True))
    yield seed("tpex_latest", Venue.TPEX, "latest_bars", LatestQuery(), to_json(tpex.latest_table(rows)), "objects")
    asked = ((Venue.TWSE, "2330"), (Venue.TWSE, "0050"), (Venue.TPEX, "6488"), (Venue.TWSE, "00625K"))
    asked += ((Venue.TPEX, "3293"), (Venue.TWSE, "9999"))
    channels = "|".join(f"{'tse' if venue is Venue.TWSE else 'otc'}_{symbol}.tw" for venue, symbol in asked)
    for name, clock in (("quotes_evening", now), ("quotes_open", now.replace(hour=10))):
        page = mis.quotes_page(Exchange(exchange.source, clock=fixed_clock(clock)), channels)
        yield seed(name, registry.Site.MIS, "quotes", QuotesQuery(asked), page, "objects")
    asked_of = {"dataset": "TaiwanStockPrice", "data_id": "6488", "start_date": "2026-11-02", "end_date": "2026-11-20"}
    body = to_json(finmind.answer(exchange, asked_of)[1])
    days = RangeQuery("6488", date(2026, 11, 2), date(2026, 11, 20))
    yield seed("finmind", registry.Site.FINMIND, "daily_bars", days, body, "objects")
    listing = [one for one in exchange.source.listing() if one.security.venue is Venue.TPEX]
    page = isin.list_page(Venue.TPEX, sorted(_several(listing), key=lambda one: one.section))
    yield seed("tpex_list", registry.Site.ISIN, "securities", ListQuery(Venue.TPEX), page, "page")


@cache
def seeds() -> tuple[Seed, ...]:
    """All of them, always in the same order."""
    return (*_recorded(), *_simulated())


def seed_of(name: str) -> Seed:
    return next(one for one in seeds() if one.name == name)
