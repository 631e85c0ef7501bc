"""Coverage and readiness over HTTP: what is held, why the rest is not, and whether a day is complete."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import pytest

from app.core import wiring
from app.core.wiring import Platform
from app.market.security import BAR_VENUES, Venue
from app.sources.base import RejectedRow
from app.store import coverage, quarantine
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
        "daily_bars of 2026-11-19: 50.0% of TWSE is accounted for; 0.0% of TPEX is accounted for."
    )
    lacks = [
        {"code": "accounted", "facts": {"share": share, "venue": v}}
        for share, v in [("50.0%", "TWSE"), ("0.0%", "TPEX")]
    ]
    facts = {"dataset": "daily_bars", "day": "2026-11-19", "lacks": lacks}
    assert told["said"] == {"code": "not_ready", "facts": facts}
    with transaction(accounted.engine) as connection:
        connection.exec_driver_sql("UPDATE coverage SET held = expected, missing = 0")
    told = get(web, "/api/v1/ready?date=2026-11-19")
    assert (told["ready"], told["reason"], told["ready_at"]) == (
        True,
        "daily_bars of 2026-11-19 is complete: 2 traded at TWSE; 1 traded at TPEX.",
        "2026-11-20T14:07:00Z",
    )
    assert get(web, "/api/v1/ready?date=2026-11-21")["reason"] == "2026-11-21 is no trading session."


@pytest.fixture
def nearly(accounted: Platform) -> Platform:
    """Whole but for 2317, whose row waits in quarantine; 2330 traded."""
    row = RejectedRow("ohlc-order", "out of order", {"收盤價": "1.00"}, "2317", DAY)
    with transaction(accounted.engine) as connection:
        quarantine.add(connection, [row], venue=Venue.TWSE, dataset="daily_bars", run_id=None, at=AT)
        connection.exec_driver_sql(
            "UPDATE coverage SET expected = 100, held = 90, quarantined = 1, missing = 0, "
            """explained = '{"no_trade": 7, "halted": 2}' WHERE venue = 'TWSE'"""
        )
        connection.exec_driver_sql("UPDATE coverage SET held = expected, missing = 0 WHERE venue = 'TPEX'")
    return accounted


def test_a_day_that_is_ready_names_what_waits_in_quarantine(nearly: Platform, web: Web) -> None:
    told = get(web, "/api/v1/ready?date=2026-11-19")
    assert (told["ready"], told["quarantined"], told["missing"]) == (True, ["2317"], [])
    assert told["reason"] == (
        "daily_bars of 2026-11-19 is complete but for 1 in quarantine: 2317. "
        "Held are 90 traded, 7 without a trade and 2 halted at TWSE; 1 traded at TPEX."
    )
    strict = get(web, "/api/v1/ready?date=2026-11-19&strict=true")
    assert (strict["ready"], strict["ready_at"], strict["quarantined"]) == (False, None, ["2317"])
    assert "not whole: 1 in quarantine: 2317" in strict["reason"]
    with transaction(nearly.engine) as connection:
        connection.exec_driver_sql("UPDATE coverage SET held = held + quarantined, quarantined = 0")
    assert get(web, "/api/v1/ready?date=2026-11-19&strict=true")["ready"]


def test_whether_some_symbols_are_there(nearly: Platform, web: Web) -> None:
    told = get(web, "/api/v1/ready?date=2026-11-19&symbols=2330")
    assert (told["ready"], told["reason"]) == (True, "daily_bars of 2026-11-19 of them are complete: 1 traded.")
    told = get(web, "/api/v1/ready?date=2026-11-19&symbols=2330,2317,6488")
    assert (told["ready"], told["quarantined"], told["missing"]) == (False, ["2317"], ["6488"])
    assert told["reason"] == "daily_bars of 2026-11-19: 1 missing: 6488; 1 in quarantine: 2317."
    # On Friday it did not trade, which is all there is to know of it; Wednesday was never asked for.
    assert get(web, "/api/v1/ready?date=2026-11-20&symbols=2330")["ready"]
    assert get(web, "/api/v1/ready?date=2026-11-18&symbols=2330")["missing"] == ["2330"]
    for query, status, sentence in (
        ("symbols=9999", 404, "No securities list holds '9999'"),
        ("symbols=7772", 422, "publishes no daily bars"),
        ("symbols=2330&dataset=margin", 422, "Only of daily_bars"),
    ):
        assert sentence in get(web, f"/api/v1/ready?date=2026-11-19&{query}", status)["message"]
