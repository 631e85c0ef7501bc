"""``quantlab actions``: the ledger with ratios, and with factors where one security was asked for."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date

import pytest
from typer.testing import Result

from app.core.wiring import Platform
from app.errors import UnknownSymbol
from app.market.corporate_action import ActionKind, CorporateAction
from app.store.corporate_actions import write_actions
from app.store.engine import transaction
from tests.integration.conftest import NOW

Run = Callable[..., Result]
YEAR = (date(2025, 1, 1), date(2025, 12, 31))
ACTIONS = [
    CorporateAction("2330", date(2025, 6, 18), ActionKind.SPLIT, 1_886_500, 471_600),
    CorporateAction("2330", date(2025, 9, 16), ActionKind.DIVIDEND, 500_000, 490_000),
    CorporateAction("6488", date(2025, 9, 16), ActionKind.REDUCTION, 301_500, 345_700, note="退還股款"),
]


@pytest.fixture
def _acted(seeded: Platform) -> None:
    with transaction(seeded.engine) as connection:
        write_actions(connection, ACTIONS, period=YEAR, source="TWSE.test", run_id=None, at=NOW)


def lines(result: Result) -> list[list[str]]:
    assert result.exit_code == 0, (result.output, result.exception)
    return [line.split() for line in result.output.splitlines() if line.startswith("2025")]


@pytest.mark.usefixtures("_acted")
def test_of_one_security_with_the_factor_of_all_that_followed(run: Run) -> None:
    """By hand: 490 / 500 = 0.98; 471.6 / 1886.5 = 0.249987, times 0.98 is 0.244987."""
    assert lines(run("actions", "2330")) == [
        ["2025-09-16", "2330", "dividend", "50", "49", "0.980000", "0.980000", "TWSE.test", "2026-11-23", "15:00:00"],
        [
            "2025-06-18",
            "2330",
            "split",
            "188.65",
            "47.16",
            "0.249987",
            "0.244987",
            "TWSE.test",
            "2026-11-23",
            "15:00:00",
        ],
    ]


@pytest.mark.usefixtures("_acted")
def test_of_all_and_of_a_range(run: Run) -> None:
    assert [line[1] for line in lines(run("actions"))] == ["2330", "6488", "2330"]
    assert [line[2] for line in lines(run("actions", "--from", "2025-06-01", "--to", "2025-06-30"))] == ["split"]
    assert json.loads(run("actions", "6488", "--json").output)[0]["note"] == "退還股款"


@pytest.mark.usefixtures("_acted")
def test_as_it_stood_before_anything_was_known(run: Run) -> None:
    assert "quantlab sync actions" in run("actions", "--as-of", "2026-11-23").output
    assert len(lines(run("actions", "--as-of", "2026-11-23T15:00"))) == 3
    assert len(lines(run("actions", "--as-of", "2026-11-23T15:00:00"))) == 3


def test_an_unknown_symbol(run: Run) -> None:
    assert isinstance(run("actions", "9999").exception, UnknownSymbol)
