"""Figures over HTTP: by dataset and symbol, exact, with their units."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import pytest

from app.core.wiring import Platform
from app.market.figures import Figures
from app.store.engine import transaction
from app.store.figures import write_figures

if TYPE_CHECKING:
    from tests.integration.api.conftest import Web

THURSDAY, FRIDAY = date(2026, 11, 19), date(2026, 11, 20)
FIRST, THEN = datetime(2026, 11, 20, 13, 0, tzinfo=UTC), datetime(2026, 11, 20, 14, 0, tzinfo=UTC)


def get(web: Web, path: str, status: int = 200) -> Any:
    reply = web.get(path)
    assert reply.status_code == status, reply.text
    return reply.json()


@pytest.fixture
def figures(seeded: Platform) -> Platform:
    valuation = ("price_earnings", "dividend_yield", "price_book")
    rows = [
        Figures("2330", THURSDAY, dict(zip(valuation, (307_900, 541, 12_700), strict=True))),
        Figures("2330", FRIDAY, dict(zip(valuation, (None, 0, 1_000_000), strict=True))),
    ]
    with transaction(seeded.engine) as connection:
        write_figures(connection, "valuation", rows, fields=valuation, at=FIRST)
        later = Figures("2330", FRIDAY, dict(zip(valuation, (None, 0, 1_000_100), strict=True)))
        write_figures(connection, "valuation", [later], fields=valuation, at=THEN)
        taiex = Figures("TAIEX", FRIDAY, {"close": 154_938_200, "change": -5_608_900})
        write_figures(connection, "indices", [taiex], fields=("close", "change"), at=FIRST)
        lent = Figures("2330", FRIDAY, {"margin_balance": 19_387_000})
        write_figures(connection, "margin", [lent], fields=("margin_balance",), at=FIRST)
    return seeded


def test_every_dataset_with_its_fields_and_units(seeded: Platform, web: Web) -> None:
    body = get(web, "/api/v1/figures")
    assert body["source"] == "sandbox"
    rows = {row["name"]: row for row in body["datasets"]}
    assert list(rows) == ["institutional", "margin", "valuation", "indices"]
    assert rows["institutional"]["venues"] == ["TWSE", "TPEX"]
    assert rows["margin"]["fields"]["short_balance"] == "shares"
    assert rows["valuation"]["fields"] == dict.fromkeys(["price_earnings", "dividend_yield", "price_book"], "ratio")
    assert rows["indices"]["fields"] == {"close": "points", "change": "points"}


def test_ratios_are_exact_text_and_absence_is_null(figures: Platform, web: Web) -> None:
    body = get(web, "/api/v1/figures/valuation/2330")
    assert (body["dataset"], body["symbol"], body["count"], body["more"]) == ("valuation", "2330", 2, False)
    assert body["figures"] == [
        {
            "session": "2026-11-19",
            "values": {"price_earnings": "30.79", "dividend_yield": "0.0541", "price_book": "1.27"},
        },
        {
            "session": "2026-11-20",
            "values": {"price_earnings": None, "dividend_yield": "0", "price_book": "100.01"},
        },
    ]


def test_as_it_stood_and_by_range(figures: Platform, web: Web) -> None:
    body = get(web, "/api/v1/figures/valuation/2330?as_of=2026-11-20T13:30:00Z&start=2026-11-20&end=2026-11-20")
    assert [row["values"]["price_book"] for row in body["figures"]] == ["100"]
    body = get(web, "/api/v1/figures/valuation/2330?limit=1")
    assert ([row["session"] for row in body["figures"]], body["more"]) == (["2026-11-20"], True)
    assert get(web, "/api/v1/figures/valuation/2317")["figures"] == []


def test_an_index_is_read_like_a_security_and_is_none(figures: Platform, web: Web) -> None:
    body = get(web, "/api/v1/figures/indices/TAIEX")
    assert body["figures"][0]["values"] == {"close": "15493.82", "change": "-560.89"}
    assert get(web, "/api/v1/securities/TAIEX", 404)["error"] == "UnknownSymbol"
    shares = get(web, "/api/v1/figures/margin/2330")["figures"][0]["values"]
    assert (shares["margin_balance"], shares["short_balance"]) == (19_387_000, None)


@pytest.mark.parametrize(
    ("path", "status", "sentence"),
    [
        ("valuation/9999", 404, "No securities list holds '9999'"),
        ("dividends/2330", 422, "There is no dataset of figures 'dividends'; there are institutional, margin"),
        ("valuation/2330?start=2026-11-20&end=2026-11-19", 422, "is later than end"),
    ],
)
def test_wrong_requests(seeded: Platform, web: Web, path: str, status: int, sentence: str) -> None:
    assert sentence in get(web, f"/api/v1/figures/{path}", status)["message"]
