"""FinMind's way to write absence, and its own words for what is wrong."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest

from app.errors import RateLimited, SourceChanged, SourceError, SourceRefused
from app.market.bar import Bar
from app.sources import queries
from app.sources.base import Parsed, RangeQuery
from app.sources.finmind.daily_bars import DailyBars

QUERY = RangeQuery("9918", date(2026, 11, 19), date(2026, 11, 20))
ROW = {
    "date": "2026-11-20", "stock_id": "9918", "Trading_Volume": 1000, "Trading_money": 43050, "Trading_turnover": 3,
    "open": 43.05, "max": 43.05, "min": 43.0, "close": 43.0, "spread": -0.05,
}  # fmt: skip


def parse(*rows: dict[str, Any], **envelope: Any) -> Parsed[Bar]:
    body = {"msg": "success", "status": 200, "data": list(rows), **envelope}
    return DailyBars().parse(json.dumps(body).encode(), QUERY)


def zeros(**cells: Any) -> dict[str, Any]:
    return ROW | {name: 0 for name, value in ROW.items() if not isinstance(value, str)} | cells


def test_a_day_without_a_price_is_absent_and_no_zero() -> None:
    (silent,) = parse(zeros(open=0.0, max=0.0, min=0.0, close=0.0, spread=0.0)).rows
    assert silent == Bar("9918", date(2026, 11, 20))
    (odd,) = parse(zeros(Trading_Volume=110, Trading_money=4710, Trading_turnover=13)).rows
    assert odd == Bar("9918", date(2026, 11, 20), volume=110, turnover=4710, trades=13)


@pytest.mark.parametrize("cell", ["open", "max", "min", "close"])
def test_a_zero_among_prices_is_no_price(cell: str) -> None:
    parsed = parse(ROW | {cell: 0})
    assert (parsed.rows, [one.rule for one in parsed.rejected]) == ((), ["zero-price"])


def test_numbers_are_exact_however_they_are_written() -> None:
    (one,) = parse(ROW).rows
    assert one == Bar("9918", date(2026, 11, 20), 430_500, 430_500, 430_000, 430_000, -500, 1000, 43_050, 3)
    assert parse(ROW | {"Trading_turnover": 3.0, "open": "43.05", "Trading_Volume": "1000"}).rows == (one,)
    assert parse(ROW | {"Trading_turnover": 3.5}).rejected[0].rule == "unreadable-cell"


def test_a_row_of_another_security_is_set_aside() -> None:
    parsed = parse(ROW, ROW | {"stock_id": "2330"})
    assert len(parsed.rows) == 1
    assert [(one.rule, one.symbol) for one in parsed.rejected] == [("other-symbol", "2330")]


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (402, RateLimited),
        (400, SourceRefused),
        (403, SourceRefused),
        (500, SourceChanged),
        (None, SourceChanged),
        (True, SourceChanged),
    ],
)
def test_the_body_has_a_status_of_its_own(status: Any, error: type[SourceError]) -> None:
    with pytest.raises(error, match=r"Requests reach|status") as caught:
        parse(ROW, status=status, msg="Requests reach the upper limit. status")
    assert type(caught.value) is error
    assert (caught.value.facts.get("retry_after") == 3600) == (error is RateLimited)


def test_the_archive_keeps_its_question() -> None:
    assert queries.from_json(queries.to_json(QUERY)) == QUERY
