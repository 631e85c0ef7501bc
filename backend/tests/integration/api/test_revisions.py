"""What an exchange changed, with both values, and the bars as they stood before."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

from app.core.wiring import Platform
from app.market.bar import Bar
from app.store.bars import write_bars
from app.store.engine import transaction
from tests.integration.conftest import NOW

if TYPE_CHECKING:
    from tests.integration.api.conftest import Web


def test_both_values_newest_first(seeded: Platform, web: Web) -> None:
    for number, close in enumerate((9_980_000, None), start=1):
        with transaction(seeded.engine) as connection:
            corrected = Bar("2330", date(2026, 11, 23), close=close, volume=2000 + number)
            at = NOW + timedelta(days=number)
            write_bars(connection, [corrected], fields={"close", "volume"}, source="T", run_id=f"r{number}", at=at)
    body = web.get("/api/v1/revisions?symbol=2330&limit=3").json()
    assert (body["source"], body["count"], body["more"]) == ("sandbox", 3, True)
    assert [(one["field"], one["old"], one["new"], one["run_id"]) for one in body["revisions"]] == [
        ("volume", "2001", "2002", "r2"),
        ("close", "998", None, "r2"),
        ("volume", "2000", "2001", "r1"),
    ]
    assert web.get("/api/v1/revisions?run_id=r1").json()["count"] == 2
    assert web.get("/api/v1/revisions?symbol=2317").json()["revisions"] == []
    assert web.get("/api/v1/revisions?limit=0").status_code == 422

    def closes(as_of: str) -> list[str | None]:
        return [one["close"] for one in web.get(f"/api/v1/bars/2330?as_of={as_of}").json()["bars"]]

    assert closes("2026-11-23T06:59:59Z") == []
    assert closes("2026-11-23T07:00:00Z") == ["998.5", None, "999"]
    assert closes("2026-11-24T15:00:00%2B08:00") == ["998.5", None, "998"]
    assert closes("2026-12-01T00:00:00Z") == ["998.5", None, None]
    assert closes("2026-11-24T14:59:59") == closes("2026-11-24T06:59:59Z")  # Taipei time
