"""Tick sizes and price limits, held against what TPEx itself published for the next session."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from app.errors import InvalidParameter
from app.market.bar import to_price
from app.market.limits import NO_LIMIT_DOWN, NO_LIMIT_UP, is_on_tick, limit_percent, price_limits, tick_size
from app.market.security import SecurityKind


def kind_of(symbol: str) -> SecurityKind:
    """By TPEx's numbering: 00… funds, 02… notes, a letter at a share's end a preferred one."""
    if symbol.startswith("00"):
        return SecurityKind.ETF
    if symbol.startswith("02"):
        return SecurityKind.ETN
    return SecurityKind.STOCK if len(symbol) == 4 else SecurityKind.PREFERRED


# Without a limit though neither letter nor kind says so: their underlying is listed abroad.
FOREIGN = {"00858", "00877", "00886", "00887", "020025", "020033"}


@pytest.mark.needs_shared
def test_every_limit_that_tpex_published_is_reproduced(shared_data: Path) -> None:
    document = json.loads((shared_data / "node-twstock/tpex-stocks-historical.json").read_text())
    seen = free = 0
    for row in document["tables"][0]["data"]:
        symbol, reference, up, down = row[0], *(to_price(cell) for cell in row[16:])
        if symbol.startswith("7") and len(symbol) == 6:
            continue  # warrants follow their underlying's move in TWD
        seen += 1
        percent = limit_percent(symbol, kind_of(symbol), foreign=symbol in FOREIGN)
        if percent is None:
            free += 1
            assert (up, down) == (NO_LIMIT_UP, NO_LIMIT_DOWN), row
            continue
        limits = price_limits(reference, kind_of(symbol), percent=percent)
        assert (limits.up, limits.down) == (up, down), row
    assert (seen, free) == (908, 88)


@pytest.mark.needs_shared
def test_every_price_that_twse_published_is_on_a_tick(shared_data: Path) -> None:
    document = json.loads((shared_data / "node-twstock/twse-stocks-historical.json").read_text())
    kinds = {"00": SecurityKind.ETF, "02": SecurityKind.ETN, "01": SecurityKind.REIT}
    for row in document["tables"][8]["data"]:
        kind = kinds.get(row[0][:2], SecurityKind.STOCK)
        for cell in (*row[5:9], row[11], row[13]):
            assert cell == "--" or is_on_tick(to_price(cell.replace(",", "")), kind), row


@pytest.mark.parametrize(
    ("price", "kind", "tick"),
    [
        ("9.99", SecurityKind.STOCK, "0.01"),
        ("10", SecurityKind.STOCK, "0.05"),
        ("49.95", SecurityKind.STOCK, "0.05"),
        ("50", SecurityKind.STOCK, "0.1"),
        ("100", SecurityKind.STOCK, "0.5"),
        ("500", SecurityKind.STOCK, "1"),
        ("1000", SecurityKind.STOCK, "5"),
        ("49.99", SecurityKind.ETF, "0.01"),
        ("50", SecurityKind.ETF, "0.05"),
        ("4.99", SecurityKind.WARRANT, "0.01"),
        ("5", SecurityKind.WARRANT, "0.05"),
        ("10", SecurityKind.WARRANT, "0.1"),
        ("500", SecurityKind.WARRANT, "5"),
    ],
)
def test_tick_by_band_and_kind(price: str, kind: SecurityKind, tick: str) -> None:
    assert tick_size(to_price(price), kind) == to_price(tick)


def test_limits_are_rounded_inward() -> None:
    limits = price_limits(to_price("62.84"))
    # 6613's ex-date reference style: 69.124 and 56.556 do not lie on ticks.
    assert (limits.up, limits.down) == (to_price("69.10"), to_price("56.60"))
    assert limits.hold(to_price("69.10"))
    assert not limits.hold(to_price("69.20"))


def test_a_penny_share_may_still_move_one_tick() -> None:
    assert price_limits(500).up == 600
    assert price_limits(500).down == 400
    assert price_limits(100).down == 100


def test_new_shares_move_freely_for_five_sessions() -> None:
    assert limit_percent("7777", SecurityKind.STOCK, sessions_since_listing=4) is None
    assert limit_percent("7777", SecurityKind.STOCK, sessions_since_listing=5) == 10
    assert limit_percent("1101B", SecurityKind.PREFERRED, sessions_since_listing=0) == 10


def test_warrants_have_no_limit_of_their_own() -> None:
    assert limit_percent("030003", SecurityKind.WARRANT) is None


def test_no_reference_is_refused() -> None:
    with pytest.raises(InvalidParameter, match="no reference price"):
        price_limits(0)
