"""Figures from the exchanges to the store, against the sandbox."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from app.errors import InvalidParameter, NoData, NotASession
from app.market.figures import Figures
from app.market.security import Venue
from app.services.sync_figures import fields_of, sync_figures
from app.sources.base import Dataset, Parsed
from app.store import sessions
from app.store.coverage import read_coverage
from app.store.engine import transaction
from app.store.figures import read_figures

TAIPEI = ZoneInfo("Asia/Taipei")
THURSDAY, FRIDAY = date(2026, 11, 19), date(2026, 11, 20)
DAY = date(2023, 1, 30)
RECORDED = Path(__file__).resolve().parents[2] / "recorded"


def read(bench: Any, name: str, **of: Any) -> list[Figures]:
    with transaction(bench.engine) as connection:
        return read_figures(connection, name, **of)


class Canned:
    """A client that has one answer to everything; None: the exchange says that there is nothing."""

    def __init__(self, body: bytes | None) -> None:
        self.body = body

    def fetch(self, dataset: Dataset[Any, Any], query: Any) -> Parsed[Any]:
        if self.body is None:
            raise NoData("twse has no data", site="twse")
        return dataset.parse(self.body, query)


def canned(bench: Any, body: bytes | None) -> Any:
    return replace(bench.context, client=Canned(body))


@pytest.mark.long
def test_two_days_of_every_dataset_are_a_request_each(bench: Any) -> None:
    report = sync_figures(bench.context, start=THURSDAY, end=FRIDAY)
    assert report.state == "SUCCESS"
    assert report.details["units"] == 2 * 4 * 2
    counted = {site: sum(paths.values()) for site, paths in bench.sandbox.requests().items()}
    assert counted == {"twse": 8, "tpex": 8}  # and no list of securities: none is needed
    counts = report.counts
    assert counts.expected == counts.fetched == counts.stored == bench.number("SELECT count(*) FROM figures")
    assert (counts.unchanged, counts.quarantined) == (0, 0)
    with transaction(bench.engine) as connection:
        covered = read_coverage(connection, start=THURSDAY, end=FRIDAY)
    assert {(one.dataset, one.venue, one.share) for one in covered} == {
        (name, venue, 1.0)
        for name in ("institutional", "margin", "valuation", "indices")
        for venue in (Venue.TWSE, Venue.TPEX)
    }
    assert sum(one.held for one in covered) == counts.stored
    before = bench.rows("SELECT xmin::text, * FROM figures ORDER BY 2, 3, 5")
    again = sync_figures(bench.context, start=THURSDAY, end=FRIDAY)
    assert (again.counts.stored, again.counts.unchanged) == (0, counts.stored)
    assert bench.rows("SELECT xmin::text, * FROM figures ORDER BY 2, 3, 5") == before


@pytest.mark.unlisted
def test_the_indices_are_figures_and_no_securities(bench: Any) -> None:
    sync_figures(bench.context, start=THURSDAY, end=FRIDAY, datasets=["indices"])
    rows = read(bench, "indices", symbols=["TAIEX", "TPEX"])
    assert [(row.symbol, row.session) for row in rows] == [
        ("TAIEX", THURSDAY),
        ("TPEX", THURSDAY),
        ("TAIEX", FRIDAY),
        ("TPEX", FRIDAY),
    ]
    assert all((row.values["close"] or 0) > 0 for row in rows)
    assert bench.number("SELECT count(*) FROM securities") == 0


def test_what_is_not_published_yet_is_skipped_and_no_gap(bench: Any) -> None:
    bench.at(datetime(2026, 11, 20, 20, 30, tzinfo=TAIPEI))
    report = sync_figures(bench.context, start=FRIDAY, end=FRIDAY, datasets=["institutional", "margin"])
    assert report.state == "SUCCESS"
    assert report.details["by_state"] == {"SUCCESS": 2, "SKIPPED": 2}
    assert "margin TWSE 2026-11-20: TWSE publishes margin of 2026-11-20 by 22:30 Taipei." in report.details["notes"]
    bench.at(datetime(2026, 11, 20, 21, 30, tzinfo=TAIPEI))
    report = sync_figures(bench.context, start=FRIDAY, end=FRIDAY, datasets=["margin"])
    assert (report.state, report.details["by_state"]) == ("SUCCESS", {"SUCCESS": 2})


def test_nothing_of_an_open_session_falls_short_and_of_an_unknown_one_is_skipped(bench: Any) -> None:
    context = canned(bench, None)
    report = sync_figures(context, start=THURSDAY, end=THURSDAY, datasets=["margin"])
    assert (report.state, report.counts.fetched) == ("SKIPPED", None)
    assert "nobody knows that it was open" in str(report.reason)
    with transaction(bench.engine) as connection:
        sessions.observe(connection, Venue.TWSE, THURSDAY, is_open=True, at=bench.context.clock())
    report = sync_figures(context, start=THURSDAY, end=THURSDAY, datasets=["margin"])
    assert report.state == "PARTIAL"
    assert "published nothing of a session on which the market was open" in str(report.reason)


def test_a_row_that_breaks_a_rule_goes_to_quarantine_and_the_others_are_kept(bench: Any) -> None:
    whole = (RECORDED / "twse/institutional.json").read_bytes()
    broken = whole.replace(b'"82,459,130"', b'"82,459,131"')
    # One answer for both venues: TPEx's parser refuses it, and just that unit fails.
    report = sync_figures(canned(bench, broken), start=DAY, end=DAY, datasets=["institutional"])
    assert report.details["by_state"] == {"SUCCESS": 1, "FAILED": 1}
    assert (report.counts.fetched, report.counts.stored, report.counts.quarantined) == (7, 6, 1)
    assert bench.rows("SELECT dataset, symbol, rule, raw->>'三大法人買賣超股數' FROM quarantine") == [
        ("institutional", "2330", "sum", "82,459,131")
    ]
    held = {row.symbol: row.values for row in read(bench, "institutional")}
    assert "2330" not in held
    assert (held["2303"]["trust_net"], held["2303"]["foreign_total_net"]) == (19_176_701, None)
    sync_figures(canned(bench, whole), start=DAY, end=DAY, datasets=["institutional"])
    held = {row.symbol: row.values for row in read(bench, "institutional")}
    assert held["2330"]["total_net"] == 82_459_130


def test_much_less_than_the_session_before_falls_short(bench: Any) -> None:
    sync_figures(bench.context, start=THURSDAY, end=THURSDAY, datasets=["valuation"])
    before = len(read(bench, "valuation", start=THURSDAY))
    text = (RECORDED / "twse/valuation.json").read_text()
    few = text.replace("20230130", "20261120").replace("112年01月30日", "115年11月20日").encode()
    report = sync_figures(canned(bench, few), start=FRIDAY, end=FRIDAY, datasets=["valuation"])
    assert report.state == "PARTIAL"
    assert "5 rows came, where" in str(report.details["notes"])
    with transaction(bench.engine) as connection:
        (twse,) = read_coverage(connection, start=FRIDAY, end=FRIDAY, venue=Venue.TWSE)
    assert (twse.held, twse.missing) == (5, twse.expected - 5)
    assert 5 < twse.expected < before


class Fewer:
    """A client of whose answers only a part arrives."""

    def __init__(self, client: Any, share: float) -> None:
        self.client, self.share = client, share

    def fetch(self, dataset: Dataset[Any, Any], query: Any) -> Parsed[Any]:
        parsed: Parsed[Any] = self.client.fetch(dataset, query)
        return replace(parsed, rows=parsed.rows[: int(len(parsed.rows) * self.share)])


def test_a_session_read_again_in_part_falls_short_and_stays_held(bench: Any) -> None:
    def covered() -> list[Any]:
        query = "SELECT venue, expected, held, missing FROM coverage WHERE dataset = 'margin' ORDER BY 1"
        return list(bench.rows(query))

    sync_figures(bench.context, start=THURSDAY, end=THURSDAY, datasets=["margin"])
    before, number = covered(), bench.number("SELECT count(*) FROM figures")
    part = replace(bench.context, client=Fewer(bench.context.client, 0.85))
    report = sync_figures(part, start=THURSDAY, end=THURSDAY, datasets=["margin"])
    assert (report.state, report.details["by_state"]) == ("PARTIAL", {"PARTIAL": 2})
    assert covered() == before
    assert sum(row.held for row in before) == number == bench.number("SELECT count(*) FROM figures")
    assert sync_figures(bench.context, start=THURSDAY, end=THURSDAY, datasets=["margin"]).state == "SUCCESS"


def test_fields_of_both_venues_and_their_units() -> None:
    fields = fields_of("institutional")
    assert {name: str(unit) for name, unit in fields.items()} == dict.fromkeys(fields, "shares")
    assert {"foreign_dealer_net", "dealer_buy", "foreign_total_buy"} <= set(fields)
    assert {str(unit) for unit in fields_of("valuation").values()} == {"ratio"}


def test_what_cannot_be_synced(bench: Any) -> None:
    with pytest.raises(InvalidParameter, match="There is no dataset of figures 'bars'; there are institutional"):
        sync_figures(bench.context, start=FRIDAY, end=FRIDAY, datasets=["bars"])
    with pytest.raises(NotASession):
        sync_figures(bench.context, start=date(2026, 11, 21), end=date(2026, 11, 22))
