"""The quotes of 13:30, the close, which the guide names as the last ones of a session."""

from datetime import datetime
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest

from app.errors import NotASession
from app.market.calendar import TradingCalendar
from app.services.report import Report
from app.tasks import stock_data, sync_latest_prices
from app.tasks._base import QuantLabTask

TAIPEI = ZoneInfo("Asia/Taipei")
FETCHED = Report(reason="fetched")


@pytest.mark.parametrize(
    ("at", "fetches"),
    [
        ("2026-11-27 13:15:00", True),
        ("2026-11-27 13:30:00", True),
        ("2026-11-27 13:30:02", True),  # a worker never begins in the very instant at which a run is due
        ("2026-11-27 13:45:00", False),
        ("2026-11-28 10:00:00", False),  # a Saturday
        ("2024-10-31 13:30:02", False),  # typhoon Kong-rey
    ],
)
def test_a_scheduled_run_fetches(at: str, fetches: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    instant = datetime.fromisoformat(at).replace(tzinfo=TAIPEI)
    context = SimpleNamespace(clock=lambda: instant, calendar=TradingCalendar)
    monkeypatch.setattr(QuantLabTask, "context", lambda self: context)
    monkeypatch.setattr(stock_data, "_choose", lambda *_, **__: [])
    monkeypatch.setattr(stock_data, "sync_quotes", lambda *_: FETCHED)
    sync_latest_prices.push_request(trigger="schedule")
    try:
        if fetches:
            assert sync_latest_prices.run() is FETCHED
        else:
            with pytest.raises(NotASession):
                sync_latest_prices.run()
    finally:
        sync_latest_prices.pop_request()
