"""The synthetic exchange obeys Taiwan's rules in every cell, and every cell can be read alone."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from app.market.limits import NO_LIMIT_DOWN, NO_LIMIT_UP, is_on_tick, limit_percent, price_limits
from app.market.security import SecurityKind, Venue
from app.sandbox.exchange import Exchange
from app.sandbox.listing import is_foreign_fund, traded_securities
from app.sandbox.rows import Comparison, DayRow
from app.sandbox.sessions import ORIGIN, SessionList
from app.sandbox.synthetic import SyntheticPrices

PRICES = SyntheticPrices(seed=7)
LAST = date(2027, 6, 30)
SESSIONS = PRICES.sessions(ORIGIN, LAST)
SYMBOLS = [each.symbol for each in traded_securities()]

EX_DATES = (Comparison.EX_DIVIDEND, Comparison.EX_RIGHTS, Comparison.EX_BOTH)

cells = st.tuples(st.sampled_from(SYMBOLS), st.sampled_from(SESSIONS))


def read(symbol: str, session: date) -> DayRow | None:
    rows = PRICES.history(symbol, session, session)
    return rows[0] if rows else None


@given(cells)
@settings(max_examples=300, deadline=None)
def test_a_bar_obeys_order_ticks_and_limits(cell: tuple[str, date]) -> None:
    row = read(*cell)
    if row is None:
        listed = next(each for each in traded_securities() if each.symbol == cell[0]).security.listed_on
        assert listed is not None
        assert listed > cell[1]
        return
    kind = row.listed.security.kind
    assert row.limit_up is not None
    assert row.limit_down is not None
    assert row.reference is not None
    if row.close is None or row.open is None or row.high is None or row.low is None:
        assert row.open is row.high is row.low is row.close is row.change is None
        return
    assert row.limit_down <= row.low <= min(row.open, row.close)
    assert max(row.open, row.close) <= row.high <= row.limit_up
    assert all(is_on_tick(price, kind) for price in (row.open, row.high, row.low, row.close))
    assert row.volume
    assert row.turnover is not None
    assert row.low * row.volume // 10_000 <= row.turnover <= row.high * row.volume // 10_000 + 1
    assert 1 <= (row.trades or 0) <= row.volume
    if row.change is not None:
        assert row.change == row.close - row.reference
    if kind is not SecurityKind.WARRANT:
        assert abs(row.close / row.reference - 1) <= 0.101


@given(cells)
@settings(max_examples=200, deadline=None)
def test_limits_are_the_markets_own_rule(cell: tuple[str, date]) -> None:
    row = read(*cell)
    if row is None or row.reference is None:
        return
    security = row.listed.security
    percent = limit_percent(row.symbol, security.kind, foreign=is_foreign_fund(security))
    assert row.limit_up is not None
    if percent is None:
        assert (row.limit_up, row.limit_down) == (NO_LIMIT_UP, NO_LIMIT_DOWN)
    elif row.limit_up == NO_LIMIT_UP:  # a new share's first sessions
        assert security.listed_on is not None
        assert cell[1] - security.listed_on < timedelta(days=30)
    else:
        limits = price_limits(row.reference, security.kind, percent=percent)
        assert (row.limit_up, row.limit_down) == (limits.up, limits.down)


@given(cells, st.integers(min_value=0, max_value=40))
@settings(max_examples=60, deadline=None)
def test_a_cell_reads_the_same_alone_in_a_month_and_in_another_process(cell: tuple[str, date], days: int) -> None:
    symbol, session = cell
    alone = SyntheticPrices(seed=7).history(symbol, session, session) if days == 0 else [read(symbol, session)]
    span = PRICES.history(symbol, session - timedelta(days=days), session + timedelta(days=days))
    assert [row for row in span if row.session == session] == [row for row in alone if row]
    assert [row.session for row in span] == sorted({row.session for row in span})


@given(st.sampled_from(SESSIONS))
@settings(max_examples=20, deadline=None)
def test_the_whole_market_is_the_sum_of_its_securities(session: date) -> None:
    day = PRICES.day(session)
    assert [row.symbol for row in day] == sorted(row.symbol for row in day)
    for row in day[::251]:
        assert read(row.symbol, session) == row


@given(cells)
@settings(max_examples=200, deadline=None)
def test_each_reference_is_the_close_before_less_what_the_ex_date_takes_off(cell: tuple[str, date]) -> None:
    symbol, session = cell
    span = PRICES.history(symbol, session, session + timedelta(days=14))
    for before, after in pairwise(span):
        assert before.next_reference == after.reference
        assert after.limit_up == before.next_limit_up
        assert after.reference is not None
        if before.close is None:
            continue
        if after.comparison in EX_DATES:
            assert after.reference < before.close
            assert after.change is None
        else:
            assert after.reference == before.close


@given(st.sampled_from(SYMBOLS), st.integers(min_value=2011, max_value=2026))
@settings(max_examples=60, deadline=None)
def test_at_most_one_ex_date_a_year(symbol: str, year: int) -> None:
    rows = PRICES.history(symbol, date(year, 1, 1), date(year, 12, 31))
    assert sum(row.comparison in EX_DATES for row in rows) <= 1


def test_seeds_differ_and_days_before_the_first_are_empty() -> None:
    assert SyntheticPrices(seed=8).history("2330", SESSIONS[-1], SESSIONS[-1]) != [read("2330", SESSIONS[-1])]
    assert PRICES.history("2330", date(2009, 1, 1), date(2009, 12, 31)) == ()
    assert PRICES.day(date(2009, 12, 31)) == ()
    assert PRICES.day(date(2024, 10, 31)) == (), "a typhoon day"
    assert PRICES.history("none", ORIGIN, LAST) == ()


def test_the_market_looks_like_one() -> None:
    rows = [row for session in PRICES.sessions(date(2026, 9, 1), date(2026, 11, 20)) for row in PRICES.day(session)]
    shares = [row for row in rows if row.listed.security.kind is SecurityKind.STOCK]
    priced = [row for row in shares if row.close is not None]
    assert 0.95 < len(priced) / len(shares) < 1.0
    at_limit = [row for row in priced if row.close in (row.limit_up, row.limit_down)]
    assert 20 < len(at_limit) < len(priced) / 100
    assert any(row.close is None and row.volume for row in shares), "odd lots without a price"
    assert any(row.bid is row.ask is None for row in shares), "halts"
    assert sum(row.comparison is Comparison.EX_DIVIDEND for row in priced) > 50


def test_prices_do_not_depend_on_how_far_the_calendar_was_read() -> None:
    near, far = SessionList(), SessionList()
    far.between(ORIGIN, date(2027, 12, 31))
    assert near.index(date(2015, 6, 1)) == far.index(date(2015, 6, 1))
    assert near.index(date(2015, 5, 31)) is None


def test_a_venues_table_holds_only_its_own() -> None:
    exchange = Exchange(PRICES)
    twse = exchange.table(date(2026, 11, 20), Venue.TWSE, warrants=False)
    assert {row.listed.security.venue for row in twse} == {Venue.TWSE}
    assert not any(row.listed.security.kind is SecurityKind.WARRANT for row in twse)
