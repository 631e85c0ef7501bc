"""The ledger of actions as the venues' replies fill it; the replies themselves are the contract tests' matter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Any

import pytest

from app.errors import NoData, SourceUnavailable
from app.market.bar import BAR_FIELDS, Bar
from app.market.corporate_action import ActionKind, CorporateAction
from app.market.security import BAR_VENUES, Venue
from app.sandbox.server import DEFAULT_SEED
from app.sandbox.synthetic import SyntheticPrices
from app.services.context import Context
from app.services.sync_corporate_actions import sync_corporate_actions
from app.sources import registry
from app.sources.base import Dataset, Parsed, PeriodQuery, RejectedRow
from app.store import coverage
from app.store.bars import write_bars
from app.store.corporate_actions import list_actions
from app.store.engine import transaction
from app.store.halts import list_halts
from app.store.securities import find, save_list
from tests.integration.services.conftest import Bench
from tests.integration.store.samples import listed

pytestmark = pytest.mark.unlisted

JUNE = (date(2025, 6, 1), date(2025, 6, 30))
SPLIT = CorporateAction("0050", date(2025, 6, 18), ActionKind.SPLIT, 1_886_500, 471_600)
DIVIDEND = CorporateAction("2330", date(2025, 6, 12), ActionKind.DIVIDEND, 10_550_000, 10_500_000)
NAMES = ("dividends", "reductions", "par_changes", "etf_splits")
Key = tuple[Venue, str]


@dataclass
class Venues:
    """Answers as the exchanges would: what lies within the period that was asked for."""

    published: dict[Key, list[CorporateAction]] = field(default_factory=dict)
    rejected: dict[Key, list[RejectedRow]] = field(default_factory=dict)
    away: set[Key] = field(default_factory=set)
    asked: list[tuple[Key, PeriodQuery]] = field(default_factory=list)

    def fetch(self, dataset: Dataset[Any, Any], query: Any) -> Parsed[Any]:
        assert dataset.venue is not None
        key = (dataset.venue, dataset.name)
        self.asked.append((key, query))
        if key in self.away:
            raise SourceUnavailable("The site gave no answer.", site="twse")
        rows = [one for one in self.published.get(key, []) if query.start <= one.ex_date <= query.end]
        rejected = self.rejected.get(key, [])
        if not rows and not rejected:
            raise NoData("Nothing.", site="twse")
        return Parsed(tuple(rows), tuple(rejected))


def _stand_in(venue: Venue, name: str) -> type[Dataset[Any, Any]]:
    words: dict[str, Any] = {"name": name, "venue": venue, "request": None, "parse": None}
    return type("StandIn", (Dataset,), words)


@pytest.fixture
def venues(monkeypatch: pytest.MonkeyPatch) -> Venues:
    names = {(venue, name) for venue in BAR_VENUES for name in NAMES} | {(Venue.TPEX, "etf_reverse_splits")}
    for key in names:
        monkeypatch.setitem(registry.DATASETS, key, _stand_in(*key))  # type: ignore[arg-type]
    return Venues({(Venue.TWSE, "etf_splits"): [SPLIT], (Venue.TWSE, "dividends"): [DIVIDEND]})


@pytest.fixture
def context(bench: Bench, venues: Venues) -> Context:
    with transaction(bench.engine) as connection:
        save_list(connection, Venue.TWSE, listed("0050", "2330", "2317"), at=bench.context.clock())
        save_list(connection, Venue.TPEX, listed("6488", venue=Venue.TPEX), at=bench.context.clock())
    return replace(bench.context, client=venues)


def held(context: Context) -> set[CorporateAction]:
    with transaction(context.engine) as connection:
        return {one.action for one in list_actions(connection)}


def sync(context: Context, period: tuple[date, date] = JUNE) -> Mapping[str, Any]:
    report = sync_corporate_actions(context, start=period[0], end=period[1])
    return {"state": report.state, **report.counts.as_dict()}


def test_a_month_of_every_dataset_of_both_venues(context: Context, venues: Venues) -> None:
    counts = {"expected": 2, "fetched": 2, "quarantined": 0}
    assert sync(context) == {"state": "SUCCESS", **counts, "stored": 2, "unchanged": 0}
    assert held(context) == {SPLIT, DIVIDEND}
    assert {key for key, _ in venues.asked} == {
        *((venue, name) for venue in BAR_VENUES for name in NAMES), (Venue.TPEX, "etf_reverse_splits"),
    }  # fmt: skip
    assert {query for _, query in venues.asked} == {PeriodQuery(*JUNE)}
    assert sync(context) == {"state": "SUCCESS", **counts, "stored": 0, "unchanged": 2}


def test_dividends_by_month_and_the_rare_by_year_newest_first(context: Context, venues: Venues) -> None:
    sync(context, (date(2024, 11, 20), date(2025, 1, 5)))
    of_twse = [(name, str(query.start), str(query.end)) for (venue, name), query in venues.asked if venue == "TWSE"]
    assert [days for name, *days in of_twse if name == "dividends"] == [
        ["2025-01-01", "2025-01-05"], ["2024-12-01", "2024-12-31"], ["2024-11-20", "2024-11-30"],
    ]  # fmt: skip
    assert [days for name, *days in of_twse if name == "reductions"] == [
        ["2025-01-01", "2025-01-05"], ["2024-11-20", "2024-12-31"],
    ]  # fmt: skip
    ends = [end for _, _, end in of_twse]
    assert ends == sorted(ends, reverse=True)


def test_who_said_it_and_a_symbol_that_no_list_holds(context: Context, venues: Venues) -> None:
    gone = replace(DIVIDEND, symbol="1701")
    venues.published[Venue.TPEX, "dividends"] = [gone]
    sync(context)
    with transaction(context.engine) as connection:
        found = find(connection, "1701")
        (one,) = list_actions(connection, symbol="1701")
    assert found is not None
    assert (found.venue, found.on_list) == (Venue.TPEX, False)
    assert (one.action, one.source) == (gone, "TPEX.dividends")


def test_what_is_no_longer_published_is_withdrawn(context: Context, venues: Venues) -> None:
    other = replace(DIVIDEND, symbol="2317")
    venues.published[Venue.TWSE, "dividends"].append(other)
    sync(context)
    venues.published[Venue.TWSE, "dividends"] = [other]
    assert sync(context)["stored"] == 1
    assert held(context) == {SPLIT, other}


def test_a_venue_that_says_nothing_takes_nothing_back(context: Context, venues: Venues) -> None:
    sync(context)
    venues.published.clear()
    report = sync_corporate_actions(context, start=JUNE[0], end=JUNE[1])
    assert held(context) == {SPLIT, DIVIDEND}
    assert (report.state, report.counts.stored) == ("PARTIAL", 0)
    said = "it published nothing from 2025-06-01 to 2025-06-30, of which the ledger has 1: nothing is taken back"
    assert f"etf_splits TWSE 2025: {said} until a reply with others lacks them." in report.details["notes"]


def test_a_row_that_breaks_a_rule_is_set_aside_and_takes_nothing_back(
    context: Context, venues: Venues, bench: Bench
) -> None:
    sync(context)
    venues.published[Venue.TWSE, "dividends"] = []
    venues.rejected[Venue.TWSE, "dividends"] = [RejectedRow("price", "no price", {"x": "?"}, "2330", DIVIDEND.ex_date)]
    assert sync(context)["quarantined"] == 1
    assert held(context) == {SPLIT, DIVIDEND}
    assert bench.rows("SELECT dataset, symbol, rule FROM quarantine") == [("dividends", "2330", "price")]


def test_one_site_that_is_away_holds_up_no_other(context: Context, venues: Venues) -> None:
    venues.away = {(Venue.TWSE, "dividends")}
    report = sync_corporate_actions(context, start=JUNE[0], end=JUNE[1])
    assert report.state == "PARTIAL"
    assert report.reason is not None
    assert "1 of 9 units failed" in report.reason
    assert held(context) == {SPLIT}


def test_the_days_before_a_split_are_explained(context: Context) -> None:
    """0050 stood still from 2025-06-11 to 06-17: the venue's market was open, and its bar is absent."""
    days = [date(2025, 6, 10) + timedelta(days=n) for n in range(9)]
    bars = [Bar("2330", day, close=10_000_000) for day in days]
    bars += [Bar("0050", day, close=1_886_500) for day in (days[0], days[-1])]
    with transaction(context.engine) as connection:
        write_bars(connection, bars, fields=BAR_FIELDS, source="test", run_id=None, at=context.clock())
        coverage.account(connection, Venue.TWSE, days, at=context.clock())
    sync(context)
    with transaction(context.engine) as connection:
        (halt,) = list_halts(connection)
        counted = coverage.read_coverage(connection, start=days[0], end=days[-1])
    assert (halt.symbol, halt.first, halt.last, halt.reason) == ("0050", days[1], days[7], "split")
    explained = {one.session: dict(one.explained) for one in counted}
    assert explained == {day: {"halted": 1} if halt.first <= day <= days[7] else {} for day in days}


def test_what_the_sandbox_tells(bench: Bench) -> None:
    """In the venues' own words, through the real client and the real parsers."""
    with transaction(bench.engine) as connection:
        save_list(connection, Venue.TWSE, listed("2330"), at=bench.context.clock())
        save_list(connection, Venue.TPEX, listed("6488", venue=Venue.TPEX), at=bench.context.clock())
    period = (date(2026, 10, 20), date(2026, 11, 20))
    report = sync_corporate_actions(bench.context, start=period[0], end=period[1])
    told = SyntheticPrices(seed=DEFAULT_SEED).happened(*period)
    assert (report.state, report.counts.fetched, report.counts.quarantined) == ("SUCCESS", len(told), 0)
    assert report.details["units"] == 2 * 2 + 3 * 2 + 1
    assert {
        (one.symbol, one.ex_date, one.kind, one.previous_close, one.reference_price) for one in held(bench.context)
    } == {(one.listed.symbol, one.session, one.kind, one.previous_close, one.reference) for one in told}
