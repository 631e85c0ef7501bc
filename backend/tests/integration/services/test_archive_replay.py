"""Replay beside what came later: the archive gives back what was said last, and undoes nothing that is newer."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from app.services import decisions
from app.services.replay import replay_archive
from app.services.sync_daily_bars import sync_daily_bars
from app.services.sync_month_bars import sync_month_bars
from app.services.sync_securities import sync_securities
from app.store.engine import transaction
from app.store.securities import find
from tests.integration.services.test_decisions import Spoiled

MONTH, DAY = date(2026, 11, 1), date(2026, 11, 19)
TRADES = "SELECT trades FROM bars JOIN securities s ON s.id = security_id WHERE symbol = '2330' AND session = :day"
GOOD = 3511
"""Trades of 2330 on that day, as the sandbox's TWSE prints them in its table of the day and in its month history."""


class Printing:
    """The transport of a client whose exchange prints other trades of 2330 on some of its pages."""

    def __init__(self, inner: Any, page: str, trades: str) -> None:
        self.inner, self.page, self.trades = inner, page, trades

    def get(self, request: Any) -> Any:
        reply = self.inner.get(request)
        if self.page not in request.path:
            return reply
        return replace(reply, body=reply.body.replace(f'"{GOOD:,}"'.encode(), f'"{self.trades}"'.encode(), 1))


@contextmanager
def printed(bench: Any, page: str, trades: str) -> Iterator[None]:
    real = bench.context.client._transport
    bench.context.client._transport = Printing(real, page, trades)
    try:
        yield
    finally:
        bench.context.client._transport = real


def later(bench: Any, **time: float) -> None:
    bench.at(bench.sandbox.clock[0] + timedelta(**time))


def test_an_answer_that_came_back_within_the_month_is_the_one_that_counts(bench: Any) -> None:
    sync_daily_bars(bench.context, start=DAY, end=DAY)
    later(bench, hours=1)
    with printed(bench, "MI_INDEX", "9,511"):
        sync_daily_bars(bench.context, start=DAY, end=DAY)
    assert bench.number(TRADES, day=DAY) == 9511
    later(bench, hours=1)
    sync_daily_bars(bench.context, start=DAY, end=DAY)
    assert bench.number(TRADES, day=DAY) == GOOD

    assert replay_archive(bench.context, start=DAY, end=DAY).counts.stored == 0
    assert bench.number(TRADES, day=DAY) == GOOD


class Misread:
    """A client whose parser takes another cell for the trades of 2330."""

    def __init__(self, client: Any) -> None:
        self.client = client

    def fetch(self, dataset: Any, query: Any) -> Any:
        parsed = self.client.fetch(dataset, query)
        if dataset.name != "daily_bars":
            return parsed
        rows = tuple(replace(bar, trades=1) if bar.symbol == "2330" else bar for bar in parsed.rows)
        return replace(parsed, rows=rows)


def correct_by_month(bench: Any, trades: str = "777") -> None:
    """An hour later, TWSE has corrected the day, as its month history tells."""
    later(bench, hours=1)
    with transaction(bench.engine) as connection:
        security = find(connection, "2330")
    with printed(bench, "STOCK_DAY", trades):
        sync_month_bars(bench.context, [security], start=MONTH, end=DAY)
    assert bench.number(TRADES, day=DAY) == int(trades)


def revised(bench: Any) -> list[tuple[Any, ...]]:
    found = bench.rows("SELECT old, new, source FROM revisions WHERE old IS NOT NULL ORDER BY id")
    return [tuple(row) for row in found]


def empty(bench: Any) -> None:
    with transaction(bench.engine) as connection:
        for table in ("bars", "revisions", "coverage", "quarantine", "sessions", "units"):
            connection.exec_driver_sql(f"TRUNCATE {table}")


CORRECTION = (GOOD, 777, "TWSE.month_bars")


@pytest.mark.parametrize("archived", [True, False])
def test_a_correction_that_came_later_stays(bench: Any, archived: bool) -> None:
    sync_daily_bars(replace(bench.context, client=Spoiled(bench.context.client, "2317")), start=DAY, end=DAY)
    correct_by_month(bench)
    if not archived:
        shutil.rmtree(bench.context.data_dir / "archive/twse/month_bars")

    assert decisions.reparse(bench.context, start=DAY, end=DAY).details["mended"] == 1
    later(bench, days=1)
    replay_archive(bench.context, start=MONTH, end=DAY)
    assert bench.number(TRADES, day=DAY) == 777
    assert revised(bench) == [CORRECTION], "the exchange changed its mind once"


def test_from_nothing_the_answer_that_came_last_counts(bench: Any) -> None:
    sync_daily_bars(bench.context, start=DAY, end=DAY)
    correct_by_month(bench)
    for _ in range(2):
        replay_archive(bench.context, start=MONTH, end=DAY)
        assert bench.number(TRADES, day=DAY) == 777
        assert revised(bench) == [CORRECTION]
        empty(bench)

    later(bench, hours=1)
    sync_daily_bars(bench.context, start=DAY, end=DAY)  # says as before, and says it last
    empty(bench)
    for _ in range(2):
        replay_archive(bench.context, start=MONTH, end=DAY)
        assert bench.number(TRADES, day=DAY) == GOOD
        assert revised(bench) == [(777, GOOD, "TWSE.daily_bars")]


def test_what_a_parser_had_read_wrongly_is_put_right(bench: Any) -> None:
    sync_daily_bars(replace(bench.context, client=Misread(bench.context.client)), start=DAY, end=DAY)
    assert bench.number(TRADES, day=DAY) == 1
    later(bench, hours=1)
    sync_daily_bars(replace(bench.context, client=Misread(bench.context.client)), start=DAY, end=DAY)
    assert replay_archive(bench.context, start=DAY, end=DAY).counts.stored == 1
    assert bench.number(TRADES, day=DAY) == GOOD
    replay_archive(replace(bench.context), start=DAY, end=DAY)
    assert len(revised(bench)) == 1


def test_rounded_months_leave_the_exact_table_of_the_day(bench: Any) -> None:
    """TPEx tells lots in its month history: whichever came last, the shares of the day's table are held."""
    sync_daily_bars(bench.context, start=DAY, end=DAY)
    volume = "SELECT volume FROM bars JOIN securities s ON s.id = security_id WHERE symbol = '6488' AND session = :day"
    exact = bench.number(volume, day=DAY)
    assert exact % 1000
    later(bench, hours=1)
    with transaction(bench.engine) as connection:
        security = find(connection, "6488")
    sync_month_bars(bench.context, [security], start=MONTH, end=DAY)
    empty(bench)
    replay_archive(bench.context, start=MONTH, end=DAY)
    assert bench.number(volume, day=DAY) == exact
    assert revised(bench) == []


def test_a_damaged_note_stops_nothing_and_is_named(bench: Any) -> None:
    sync_daily_bars(bench.context, start=DAY - timedelta(days=1), end=DAY)
    before = bench.number("SELECT count(*) FROM bars")
    (note, *_) = sorted((bench.context.data_dir / "archive/tpex/daily_bars").rglob("*.json"))
    note.write_bytes(b"")
    empty(bench)
    report = replay_archive(bench.context, start=MONTH, end=DAY)
    assert report.state == "PARTIAL"
    assert str(note) in (report.reason or "")
    assert report.details["damaged"] == 1
    assert bench.number("SELECT count(*) FROM bars") == before - 1009, "all but that venue's day"
    assert replay_archive(bench.context, start=date(2025, 1, 1), end=date(2025, 1, 31)).state == "PARTIAL"


def test_months_alone_give_back_a_security_that_no_list_has_any_more(bench: Any) -> None:
    sync_securities(bench.context)
    with transaction(bench.engine) as connection:
        security = find(connection, "2330")
    sync_month_bars(bench.context, [security], start=MONTH, end=DAY)
    before = bench.rows("SELECT session, close, trades FROM bars ORDER BY session")
    assert len(before) == 14
    shutil.rmtree(bench.context.data_dir / "archive/isin")
    empty(bench)
    with transaction(bench.engine) as connection:
        connection.exec_driver_sql("TRUNCATE securities")

    assert replay_archive(bench.context, start=MONTH, end=DAY).state == "SUCCESS"
    assert bench.rows("SELECT session, close, trades FROM bars ORDER BY session") == before
    assert bench.rows("SELECT symbol, on_list FROM securities") == [("2330", False)]
