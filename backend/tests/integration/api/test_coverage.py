"""Coverage and readiness over HTTP: what is held, why the rest is not, and whether a day is complete."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import pytest

from app.core import wiring
from app.core.wiring import Platform
from app.market.security import BAR_VENUES
from app.store import coverage
from app.store.engine import transaction

if TYPE_CHECKING:
    from tests.integration.api.conftest import Web

AT = datetime(2026, 11, 20, 14, 7, tzinfo=UTC)
DAY = date(2026, 11, 19)


@pytest.fixture(autouse=True)
def _friday_night(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wiring, "now", lambda: AT)


@pytest.fixture
def accounted(seeded: Platform) -> Platform:
    """TWSE's 2317 has no bar of that day; TPEx' 6488 neither."""
    with transaction(seeded.engine) as connection:
        for venue in BAR_VENUES:
            coverage.account(connection, venue, [DAY], at=AT)
    return seeded


def get(web: Web, path: str, status: int = 200) -> Any:
    reply = web.get(path)
    assert reply.status_code == status, reply.text
    return reply.json()


def test_the_matrix_and_one_cell_of_it(accounted: Platform, web: Web) -> None:
    rows = get(web, "/api/v1/coverage?start=2026-11-16&end=2026-11-20")["coverage"]
    assert {(row["venue"], row["expected"], row["held"], row["missing"], row["share"]) for row in rows} == {
        ("TWSE", 2, 1, 1, 0.5),
        ("TPEX", 1, 0, 1, 0.0),
    }
    cell = get(web, "/api/v1/coverage/TWSE/2026-11-19")
    assert cell["unheld"] == [{"symbol": "2317", "name": "鴻海", "state": "missing"}]
    assert get(web, "/api/v1/coverage/TWSE/2026-11-19?state=halted")["unheld"] == []


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("/api/v1/coverage?start=2026-11-20&end=2026-11-16", "is later than end"),
        ("/api/v1/coverage?start=2004-01-01&end=2026-11-16", "At most 3700 days"),
        ("/api/v1/coverage/TWSE/2026-11-19?state=lost", "state is 'lost'"),
        ("/api/v1/ready?date=2026-02-30", "date is '2026-02-30'"),
        ("/api/v1/ready?date=2031-01-02", "The calendar goes from 2004-02-11 to 2030-12-31"),
        ("/api/v1/ready?date=2003-01-02", "it knows nothing of 2003-01-02"),
        ("/api/v1/ready?date=2026-11-19&dataset=quotes", "There is no dataset 'quotes' that could be ready"),
    ],
)
def test_wrong_questions_are_refused(accounted: Platform, web: Web, path: str, sentence: str) -> None:
    assert sentence in get(web, path, 422)["message"]


def test_ready_or_not(accounted: Platform, web: Web) -> None:
    told = get(web, "/api/v1/ready?date=2026-11-19")
    assert (told["ready"], told["shares"], told["ready_at"]) == (False, {"TWSE": 0.5, "TPEX": 0.0}, None)
    assert told["reason"] == (
        "daily_bars of 2026-11-19: 50.0% of TWSE is accounted for, 0.0% of TPEX is accounted for."
    )
    with transaction(accounted.engine) as connection:
        connection.exec_driver_sql("UPDATE coverage SET held = expected, missing = 0")
    told = get(web, "/api/v1/ready?date=2026-11-19")
    assert (told["ready"], told["reason"], told["ready_at"]) == (
        True,
        "daily_bars of 2026-11-19 is complete: 2 bars of TWSE, 1 bars of TPEX.",
        "2026-11-20T14:07:00Z",
    )
    assert get(web, "/api/v1/ready?date=2026-11-21")["reason"] == "2026-11-21 is no trading session."
