"""The referee on the sandbox: it finds what FinMind's face has wrong on purpose, nothing else, and changes no bar."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import asdict, replace
from datetime import date, datetime, timedelta
from functools import cache
from types import SimpleNamespace
from typing import Any
from zlib import crc32
from zoneinfo import ZoneInfo

import pandas as pd
import pytest

from app.errors import RateLimited, SourceError, SourceRefused
from app.market.bar import BAR_FIELDS, Bar
from app.market.limits import tick_size
from app.market.security import BAR_VENUES
from app.sandbox.synthetic import SyntheticPrices
from app.services.context import Lease
from app.services.other_sources import FinLabBars, FinMindBars
from app.services.referee import compare_bars, draw
from app.services.report import Report
from app.store import leases
from app.store.bars import write_bars
from app.store.engine import transaction
from app.store.securities import HeldSecurity, find_many, save_list

pytestmark = pytest.mark.unlisted

TAIPEI = ZoneInfo("Asia/Taipei")
MONDAY, FRIDAY = date(2026, 11, 16), date(2026, 11, 20)
WEEK = [MONDAY + timedelta(days=number) for number in range(5)]
CELL = tuple[str, date, str, int | None, int | None]


@cache
def prices() -> SyntheticPrices:
    """Those of the sandbox that the tests start."""
    return SyntheticPrices()


def rest(symbol: str, day: date) -> int:
    """As app/sandbox/finmind.py documents: 0 is a close a tick off, 1 a volume of 992 ‰, 2 a row that is missing."""
    return crc32(f"{symbol} {day}".encode()) % 500


def expected(symbols: Iterable[str]) -> set[CELL]:
    """The differences that are there on purpose."""
    found: set[CELL] = set()
    for symbol in symbols:
        for row in prices().history(symbol, MONDAY, FRIDAY):
            if row.close is None or row.low is None or row.high is None or row.volume is None:
                continue
            match rest(symbol, row.session):
                case 0 if row.low < row.high:
                    tick = tick_size(row.close, row.listed.security.kind)
                    theirs = row.close - tick if row.close - tick >= row.low else row.close + tick
                    found.add((symbol, row.session, "close", row.close, theirs))
                case 1:
                    found.add((symbol, row.session, "volume", row.volume, row.volume * 992 // 1000))
                case 2:
                    found.add((symbol, row.session, "close", row.close, None))
    return found


@cache
def common() -> list[str]:
    """Stocks by their symbols."""
    return sorted(one.symbol for one in prices().day(FRIDAY) if len(one.symbol) == 4)


@cache
def slipped() -> list[str]:
    """Twenty of which a row of the week is wrong on purpose."""
    return [symbol for symbol in common() if any(rest(symbol, day) < 3 for day in WEEK)][:20]


@cache
def chosen() -> list[str]:
    """Those, and some others."""
    return sorted({*slipped(), *common()[::97]})


@cache
def sound() -> str:
    """One that traded on each day, and of which nothing is wrong."""
    return next(
        symbol
        for symbol in common()
        if all(rest(symbol, day) > 2 for day in WEEK)
        and all(row.close for row in prices().history(symbol, MONDAY, FRIDAY))
    )


@pytest.fixture(name="bench")
def held(bench: Any) -> Any:
    """The week is held as the exchanges published it, of the securities that matter here; it is Friday, 22:00."""
    bench.at(datetime(2026, 11, 20, 22, 0, tzinfo=TAIPEI))
    rows = [row for symbol in (*chosen(), sound()) for row in prices().history(symbol, MONDAY, FRIDAY)]
    bars = {
        (row.symbol, row.session): Bar(row.symbol, row.session, *(getattr(row, name) for name in BAR_FIELDS))
        for row in rows
    }
    wanted = {row.symbol for row in rows}
    listed = [one.security for one in prices().listing() if one.security.symbol in wanted]
    with transaction(bench.engine) as connection:
        for venue in BAR_VENUES:
            save_list(connection, venue, [one for one in listed if one.venue is venue], at=bench.context.clock())
        write_bars(
            connection, list(bars.values()), fields=BAR_FIELDS, source="test", run_id=None, at=bench.context.clock()
        )
    return bench


def choose(bench: Any, symbols: Iterable[str]) -> list[HeldSecurity]:
    with transaction(bench.engine) as connection:
        held = find_many(connection, list(symbols))
    return [held[symbol] for symbol in sorted(held)]


def compare(bench: Any, symbols: Iterable[str], *, context: Any = None) -> Report:
    context = context or bench.context
    return compare_bars(context, FinMindBars(context.client), choose(bench, symbols), start=MONDAY, end=FRIDAY)


def told(bench: Any, where: str = "source = 'finmind'") -> set[CELL]:
    query = (
        "SELECT symbol, session, field, ours, theirs FROM differences d JOIN securities s ON s.id = d.security_id "
        f"WHERE {where}"
    )
    return {tuple(row) for row in bench.rows(query)}


def bars(bench: Any) -> list[Any]:
    return bench.rows("SELECT xmin::text, ctid::text, * FROM bars ORDER BY session, security_id")


def asked(bench: Any) -> int:
    return sum(bench.sandbox.requests().get("finmind", {}).values())


def test_it_finds_exactly_what_is_wrong_on_purpose_and_touches_no_bar(bench: Any) -> None:
    before = bars(bench)
    report = compare(bench, chosen())

    wanted = expected(chosen())
    assert {field for _, _, field, _, _ in wanted} == {"close", "volume"}
    assert told(bench) == wanted
    assert report.state == "SUCCESS"
    assert asked(bench) == len(chosen()), "one request a security, whatever the range"
    both = [
        (row, name)
        for symbol in chosen()
        for row in prices().history(symbol, MONDAY, FRIDAY)
        if row.close is not None and rest(symbol, row.session) != 2
        for name in ("open", "high", "low", "close", "change", "volume", "turnover", "trades")
        if getattr(row, name) is not None
    ]
    missing = sum(theirs is None for *_, theirs in wanted)
    result = {name: report.details[name] for name in ("compared", "equal", "different", "absent_there", "absent_here")}
    assert result == {
        "compared": len(both),
        "equal": len(both) - (len(wanted) - missing),
        "different": len(wanted) - missing,
        "absent_there": missing,
        "absent_here": 0,
    }
    assert (report.counts.stored, report.counts.fetched) == (len(wanted), len(both))
    assert f"{len(both):,} cells compared with finmind" in str(report.reason)
    assert bars(bench) == before
    assert bench.number("SELECT count(*) FROM revisions") == 0
    assert bench.number("SELECT count(*) FROM quarantine") == 0


def test_the_same_again_stores_nothing_and_counts_the_same(bench: Any) -> None:
    free = replace(bench.context, lease=None)
    first, second = (compare(bench, slipped(), context=free) for _ in range(2))
    assert first.counts.stored == len(expected(slipped())) > 10
    assert second.counts.stored == 0
    assert (first.details["equal"], first.details["different"]) == (
        second.details["equal"],
        second.details["different"],
    )
    assert told(bench) == expected(slipped())


def test_what_is_gone_is_deleted_and_what_was_not_compared_stays(bench: Any) -> None:
    symbol = sound()
    (security,) = choose(bench, [symbol])
    with transaction(bench.engine) as connection:
        for source, day, field in (
            ("finmind", FRIDAY, "volume"),
            ("finmind", MONDAY - timedelta(days=3), "volume"),
            ("finlab", FRIDAY, "volume"),
        ):
            connection.exec_driver_sql(
                "INSERT INTO differences (source, security_id, session, field, ours, theirs, seen_at) "
                f"VALUES ('{source}', {security.id}, '{day}', '{field}', 1, 2, now())"
            )
    report = compare(bench, [symbol])
    assert (report.details["gone"], report.counts.stored) == (1, 0)
    assert told(bench, "true") == {
        (symbol, MONDAY - timedelta(days=3), "volume", 1, 2),
        (symbol, FRIDAY, "volume", 1, 2),  # of FinLab, which was not asked
    }
    assert told(bench) == {(symbol, MONDAY - timedelta(days=3), "volume", 1, 2)}


def test_a_bar_that_we_lack_is_told_once_it_should_be_here(bench: Any) -> None:
    symbol = sound()
    (security,) = choose(bench, [symbol])
    with transaction(bench.engine) as connection:
        connection.exec_driver_sql(f"DELETE FROM bars WHERE session = '{FRIDAY}' AND security_id = {security.id}")
    free = replace(bench.context, lease=None)
    report = compare(bench, [symbol], context=free)
    assert (report.details["absent_here"], report.details["not_here"]) == (0, 1), "the session was never fetched whole"
    assert re.search(r"quantlab gaps --from \d{4}-\d\d-\d\d --to 2026-11-20$", str(report.reason))
    with transaction(bench.engine) as connection:
        connection.exec_driver_sql(
            "INSERT INTO coverage (dataset, venue, session, expected, held, quarantined, explained, missing, "
            f"recorded_at) VALUES ('daily_bars', '{security.venue}', '{FRIDAY}', 1000, 990, 0, '{{}}', 10, now())"
        )
    bench.at(datetime(2026, 11, 20, 20, 0, tzinfo=TAIPEI))
    assert compare(bench, [symbol], context=free).details["absent_here"] == 0, "its bars are promised by 21:30"
    bench.at(datetime(2026, 11, 20, 22, 0, tzinfo=TAIPEI))
    assert compare(bench, [symbol], context=free).details["absent_here"] == 1
    close = prices().history(symbol, FRIDAY, FRIDAY)[0].close
    assert told(bench) == {(symbol, FRIDAY, "close", None, close)}


def test_prices_of_before_the_listing_are_not_missed(bench: Any) -> None:
    (security,) = choose(bench, [sound()])
    with transaction(bench.engine) as connection:
        connection.exec_driver_sql(f"UPDATE securities SET listed_on = '{FRIDAY}' WHERE id = {security.id}")
        connection.exec_driver_sql(f"DELETE FROM bars WHERE session < '{FRIDAY}' AND security_id = {security.id}")
        for day in WEEK:
            connection.exec_driver_sql(
                "INSERT INTO coverage (dataset, venue, session, expected, held, quarantined, explained, missing, "
                f"recorded_at) VALUES ('daily_bars', '{security.venue}', '{day}', 1000, 1000, 0, '{{}}', 0, now())"
            )
    report = compare(bench, [sound()])
    assert told(bench) == set()
    assert [report.details[name] for name in ("absent_here", "not_here", "not_there")] == [0, 0, 0]


def test_lots_of_a_month_history_are_no_difference(bench: Any) -> None:
    symbol = next(one.symbol for one in choose(bench, chosen()) if one.venue == "TPEX")
    compare(bench, [symbol], context=replace(bench.context, lease=None))
    exact = told(bench)
    with transaction(bench.engine) as connection:
        (security,) = [find_many(connection, [symbol])[symbol]]
        connection.exec_driver_sql(
            f"UPDATE bars SET volume = volume / 1000 * 1000, turnover = turnover / 1000 * 1000 "
            f"WHERE security_id = {security.id}"
        )
    compare(bench, [symbol])
    assert {cell[:3] for cell in told(bench)} <= {cell[:3] for cell in exact}


def test_rows_that_cannot_be_read_are_no_differences(bench: Any) -> None:
    symbol = sound()
    before = bars(bench)
    bench.sandbox.fault("finmind", "bad-cells")
    report = compare(bench, [symbol])
    assert (report.state, told(bench)) == ("PARTIAL", set())
    assert "3 days of finmind could not be read" in str(report.reason)
    assert report.details["compared"] <= 2 * 8
    assert bench.number("SELECT count(*) FROM quarantine") == 0, "whoever released it would make it a bar"
    assert bars(bench) == before


@pytest.mark.parametrize("fault", ["wrong-date", "missing-column", "html", "truncated", "empty", "403"])
def test_a_reply_that_is_none_changes_nothing(bench: Any, fault: str) -> None:
    before = bars(bench)
    compare(bench, slipped()[:2], context=replace(bench.context, lease=None))
    known = told(bench)
    bench.sandbox.fault("finmind", fault, times=None)
    with pytest.raises(SourceError) as caught:
        compare(bench, slipped()[:2])
    assert caught.value.site == "finmind"
    assert (told(bench), bars(bench)) == (known, before)


def test_a_used_up_hour_stops_the_asking_and_the_run_goes_on_later(bench: Any) -> None:
    some = slipped()[:6]
    bench.sandbox.fault("finmind", "402", path=f"data_id={some[2]}")
    report = compare(bench, some)

    assert (report.state, report.details["by_state"]) == ("PARTIAL", {"SUCCESS": 2, "FAILED": 4})
    assert isinstance(report.mendable, RateLimited)
    assert report.mendable.retry_after == 3600, "it is 22:00: until 23:00"
    assert asked(bench) == 3, "nobody asks a site that said so"
    errors = [
        row[0] for row in bench.rows("SELECT error FROM units WHERE error IS NOT NULL ORDER BY finished_at, scope")
    ]
    assert "used up (402)" in errors[0]
    assert all("left alone for another" in error for error in errors[1:])
    assert 3500 < bench.context.redis.ttl("quantlab:quota:finmind:rest") <= 3600
    assert bench.context.redis.get("quantlab:breaker:finmind:open") is None, "a quota is no ban"

    bench.context.redis.delete("quantlab:quota:finmind:rest")  # the hour is over
    with transaction(bench.engine) as connection:
        leases.give_back(connection, "run-1", 1, reason="as the task does")
        at = bench.context.clock()
        leases.start(connection, "run-1", task="t", parameters={}, trigger="manual", worker=None, at=at)
    bench.sandbox.forget_requests()
    report = compare(bench, some, context=replace(bench.context, lease=Lease("run-1", token=2)))
    assert (report.state, asked(bench)) == ("SUCCESS", 4), "what is done is not asked for again"
    assert told(bench) == expected(some)
    assert report.details["different"] + report.details["absent_there"] == len(expected(some))
    fresh = compare(bench, some, context=replace(bench.context, lease=None))
    for name in ("compared", "equal", "different", "absent_there"):
        assert report.details[name] == fresh.details[name], "the report is of the whole run"


def test_a_ban_opens_the_breaker_for_half_an_hour(bench: Any) -> None:
    bench.sandbox.fault("finmind", "403", path=f"data_id={slipped()[1]}")
    report = compare(bench, slipped()[:4])
    assert (report.state, report.mendable) == ("PARTIAL", None)
    assert asked(bench) == 2
    errors = {row[0] for row in bench.rows("SELECT error_type FROM units WHERE error IS NOT NULL")}
    assert errors == {SourceRefused.__name__}
    assert 1700 < bench.context.redis.ttl("quantlab:breaker:finmind:open") <= 1800


def test_finlab_is_compared_as_far_as_its_tables_reach(bench: Any) -> None:
    symbol = sound()
    rows = {row.session: row for row in prices().history(symbol, MONDAY, FRIDAY)}
    reach = [pd.Timestamp(day) for day in WEEK[:3]]

    def table(name: str, scale: int) -> pd.DataFrame:
        values = [getattr(rows[day], name) for day in WEEK[:3]]
        numbers = [float("nan") if value is None else value / scale for value in values]
        return pd.DataFrame({symbol: numbers}, index=pd.DatetimeIndex(reach))

    tables = {name: table(name, 10_000) for name in ("open", "high", "low", "close")} | {"volume": table("volume", 1)}
    tables["close"].loc[reach[1], symbol] += 0.5
    tables["volume"].loc[reach[2], symbol] = float("nan")
    source = FinLabBars(SimpleNamespace(tables=lambda: tables))  # type: ignore[arg-type]
    two = choose(bench, [symbol, slipped()[0]])
    report = compare_bars(bench.context, source, two, start=MONDAY, end=FRIDAY)

    close = rows[WEEK[1]].close
    assert told(bench, "true") == {(symbol, WEEK[1], "close", close, close + 5_000)}
    assert (report.details["compared"], report.details["different"]) == (3 * 5 - 1, 1)
    assert report.details["not_there"] == 2 + 5, "beyond the cutoff, and of a security without a column"
    assert asked(bench) == 0


def test_a_sample_is_of_both_venues_and_the_same_for_a_seed() -> None:
    at = datetime(2026, 11, 20, tzinfo=TAIPEI)
    everybody = [
        HeldSecurity(
            number, **(asdict(one.security) | {"delisted_on": None, "on_list": True}), first_seen_at=at, updated_at=at
        )
        for number, one in enumerate(prices().listing())
        if one.symbol in set(common())
    ]
    one, again, other = (draw(everybody, 20, seed=seed) for seed in (7, 7, 8))
    assert one == again != other
    by_venue = [sum(security.venue == venue for security in one) for venue in BAR_VENUES]
    assert sum(by_venue) == len({security.symbol for security in one}) == 20
    assert min(by_venue) >= 8, "1,065 and 884 of the list"
    assert {security.venue for security in draw(everybody, 2, seed=1)} == set(BAR_VENUES)
    assert len(draw(everybody, 1, seed=1)) == 1
    assert draw(everybody[:5], 20, seed=1) == everybody[:5]
    left = draw([security for security in everybody if security != one[3]], 20, seed=7)
    assert len({security.symbol for security in left} & {security.symbol for security in one}) >= 18, "hardly changed"
