"""What a person sees first of a quarantined row: the cells that its reason speaks of."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from rich.text import Text

from app.cli.quarantined_row import cells_of
from app.market.security import Venue
from app.store.quarantine_reads import HeldRow

AT = datetime(2026, 11, 20, tzinfo=UTC)


def shown(reason: str, raw: dict[str, str], parsed: dict[str, Any] | None = None) -> list[list[str]]:
    """The lines of the table, each as its six texts."""
    row = HeldRow(
        id=1,
        venue=Venue.TWSE,
        dataset="daily_bars",
        session=date(2026, 11, 20),
        symbol="2330",
        rule="r",
        reason=reason,
        raw=raw,
        parsed=parsed,
        severity="blocking",
        run_id=None,
        seen_at=AT,
        last_seen_at=AT,
        released_at=None,
        decision=None,
        decided_by=None,
        note=None,
    )
    texts = [list(one.cells) for one in cells_of(row).columns]
    columns = [[cell.plain if isinstance(cell, Text) else str(cell) for cell in one] for one in texts]
    return [list(line) for line in zip(*columns, strict=True)]


def test_a_cell_that_could_not_be_read_stands_first() -> None:
    raw = {"證券代號": "2330", "成交筆數": "5", "開盤價": "990.00", "收盤價": "0.00"}
    assert [line[:3] for line in shown("a price of 0.00 is none", raw)] == [
        ["收盤價", "0.00", "←"],
        ["證券代號", "2330", ""],
        ["成交筆數", "5", ""],
        ["開盤價", "990.00", ""],
    ]
    assert shown("'N/A' is not a number", {"開盤價": "990.00", "收盤價": "N/A"})[0][:3] == ["收盤價", "N/A", "←"]


def test_values_that_are_out_of_order_stand_first_on_both_sides() -> None:
    raw = {"成交筆數": "5", "成交股數": "1,000", "最高價": "1,000.00", "最低價": "1,010.00"}
    parsed = {"volume": 1_000, "trades": 5, "high": 10_000_000, "low": 10_100_000, "change": None}
    lines = shown("The four prices are out of order: high 1000, low 1010.", raw, parsed)
    assert [line[:3] for line in lines] == [
        ["最高價", "1,000.00", "←"],
        ["最低價", "1,010.00", "←"],
        ["成交筆數", "5", ""],
        ["成交股數", "1,000", ""],
        ["", "", ""],
    ]
    assert [line[3:] for line in lines] == [
        ["high", "1000", "←"],
        ["low", "1010", "←"],
        ["volume", "1,000", ""],
        ["trades", "5", ""],
        ["change", "absent", ""],
    ]


def test_where_nothing_is_known_the_order_stays() -> None:
    raw = {"b": "1", "a": "2"}
    assert shown("It is for another day.", raw) == [["b", "1", "", "", "", ""], ["a", "2", "", "", "", ""]]
