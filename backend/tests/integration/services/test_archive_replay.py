"""Replay beside what came later: the archive gives back what was said last, and undoes nothing that is newer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

from app.services.replay import replay_archive
from app.services.sync_daily_bars import sync_daily_bars

DAY = date(2026, 11, 19)
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
