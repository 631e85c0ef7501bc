"""Every dataset that there is, in one table: (venue, or site where it serves several; dataset) → class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.errors import InvalidParameter
from app.market.bar import Bar
from app.market.holiday import Holiday
from app.market.quote import Quote
from app.market.security import Security, Venue
from app.sources.base import (
    Dataset,
    LatestQuery,
    ListQuery,
    MonthQuery,
    QuotesQuery,
    RangeQuery,
    SessionQuery,
    Site,
    YearQuery,
)
from app.sources.figures import FiguresDataset
from app.sources.finmind.daily_bars import DailyBars as FinMindDailyBars
from app.sources.isin.securities import Securities
from app.sources.mis.quotes import Quotes
from app.sources.tpex.daily_bars import DailyBars as TpexDailyBars
from app.sources.tpex.dividends import Dividends as TpexDividends
from app.sources.tpex.etf_splits import EtfReverseSplits
from app.sources.tpex.etf_splits import EtfSplits as TpexEtfSplits
from app.sources.tpex.indices import Indices as TpexIndices
from app.sources.tpex.institutional import Institutional as TpexInstitutional
from app.sources.tpex.latest_bars import LatestBars as TpexLatestBars
from app.sources.tpex.margin import Margin as TpexMargin
from app.sources.tpex.month_bars import MonthBars as TpexMonthBars
from app.sources.tpex.par_changes import ParChanges as TpexParChanges
from app.sources.tpex.reductions import Reductions as TpexReductions
from app.sources.tpex.valuation import Valuation as TpexValuation
from app.sources.twse.daily_bars import DailyBars as TwseDailyBars
from app.sources.twse.dividends import Dividends as TwseDividends
from app.sources.twse.etf_splits import EtfSplits as TwseEtfSplits
from app.sources.twse.holidays import CurrentHolidays, Holidays
from app.sources.twse.indices import Indices as TwseIndices
from app.sources.twse.institutional import Institutional as TwseInstitutional
from app.sources.twse.latest_bars import LatestBars as TwseLatestBars
from app.sources.twse.margin import Margin as TwseMargin
from app.sources.twse.month_bars import MonthBars as TwseMonthBars
from app.sources.twse.par_changes import ParChanges as TwseParChanges
from app.sources.twse.reductions import Reductions as TwseReductions
from app.sources.twse.valuation import Valuation as TwseValuation

DATASETS: Mapping[tuple[Venue | Site, str], type[Dataset[Any, Any]]] = {
    (Venue.TWSE, "daily_bars"): TwseDailyBars,
    (Venue.TWSE, "latest_bars"): TwseLatestBars,
    (Venue.TWSE, "month_bars"): TwseMonthBars,
    (Venue.TWSE, "holidays"): Holidays,
    (Venue.TWSE, "current_holidays"): CurrentHolidays,
    (Venue.TPEX, "daily_bars"): TpexDailyBars,
    (Venue.TPEX, "latest_bars"): TpexLatestBars,
    (Venue.TPEX, "month_bars"): TpexMonthBars,
    (Venue.TWSE, "institutional"): TwseInstitutional,
    (Venue.TPEX, "institutional"): TpexInstitutional,
    (Venue.TWSE, "margin"): TwseMargin,
    (Venue.TPEX, "margin"): TpexMargin,
    (Venue.TWSE, "valuation"): TwseValuation,
    (Venue.TPEX, "valuation"): TpexValuation,
    (Venue.TWSE, "indices"): TwseIndices,
    (Venue.TPEX, "indices"): TpexIndices,
    (Venue.TWSE, "dividends"): TwseDividends,
    (Venue.TPEX, "dividends"): TpexDividends,
    (Venue.TWSE, "reductions"): TwseReductions,
    (Venue.TPEX, "reductions"): TpexReductions,
    (Venue.TWSE, "par_changes"): TwseParChanges,
    (Venue.TPEX, "par_changes"): TpexParChanges,
    (Venue.TWSE, "etf_splits"): TwseEtfSplits,
    (Venue.TPEX, "etf_splits"): TpexEtfSplits,
    (Venue.TPEX, "etf_reverse_splits"): EtfReverseSplits,
    (Site.MIS, "quotes"): Quotes,
    (Site.ISIN, "securities"): Securities,
    (Site.FINMIND, "daily_bars"): FinMindDailyBars,
}


def dataset(owner: Venue | Site, name: str) -> Dataset[Any, Any]:
    """The dataset of that name; InvalidParameter, naming those that there are, if there is none."""
    try:
        return DATASETS[owner, name]()
    except KeyError:
        known = ", ".join(f"{whose} {word}" for whose, word in DATASETS)
        raise InvalidParameter(f"there is no dataset {name} of {owner}; there are {known}") from None


def figures() -> dict[str, dict[Venue, FiguresDataset]]:
    """Every dataset of figures, by its name, and the venues that publish it."""
    found: dict[str, dict[Venue, FiguresDataset]] = {}
    for (owner, name), kind in DATASETS.items():
        if isinstance(owner, Venue) and issubclass(kind, FiguresDataset):
            found.setdefault(name, {})[owner] = kind()
    return found


def daily_bars(venue: Venue) -> Dataset[SessionQuery, Bar]:
    """The whole market of a venue in one session."""
    return dataset(venue, "daily_bars")


def latest_bars(venue: Venue) -> Dataset[LatestQuery, Bar]:
    """The whole market of a venue in its newest session."""
    return dataset(venue, "latest_bars")


def month_bars(venue: Venue) -> Dataset[MonthQuery, Bar]:
    """One security of a venue in one month."""
    return dataset(venue, "month_bars")


def holidays() -> Dataset[YearQuery, Holiday]:
    """The holiday schedule of a year, which both venues keep."""
    return dataset(Venue.TWSE, "holidays")


def finmind_bars() -> Dataset[RangeQuery, Bar]:
    """One security over a range of days, as FinMind has it."""
    return dataset(Site.FINMIND, "daily_bars")


def quotes() -> Dataset[QuotesQuery, Quote]:
    """Quotes of both venues."""
    return dataset(Site.MIS, "quotes")


def securities() -> Dataset[ListQuery, Security]:
    """The securities lists of all venues."""
    return dataset(Site.ISIN, "securities")
