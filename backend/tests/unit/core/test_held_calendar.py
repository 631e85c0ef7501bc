"""An operator's typhoon day reaches beat."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import time_machine

from app.core import held_calendar, wiring
from app.core.celery_app import app
from app.core.config import get_settings
from app.market.calendar import TradingCalendar
from app.store import sessions
from app.store.engine import make_engine, transaction

TAIPEI = ZoneInfo("Asia/Taipei")
EARLY = datetime(2026, 11, 23, 6, 0, tzinfo=TAIPEI)


@pytest.fixture(autouse=True)
def _forget(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.setenv("QUANTLAB_HOME", str(tmp_path))
    monkeypatch.setenv("QUANTLAB_SOURCE", "sandbox")
    monkeypatch.setattr(held_calendar, "_calendar", TradingCalendar())
    monkeypatch.setattr(held_calendar, "_read_at", float("-inf"))
    get_settings.cache_clear()
    wiring.reset_platform()
    yield
    wiring.reset_platform()
    get_settings.cache_clear()


def quotes_are_due_at(now: datetime) -> bool:
    entry = app.conf.beat_schedule["sync-latest-prices"]
    with time_machine.travel(now.timestamp(), tick=False):
        due: bool = entry["schedule"].is_due(datetime(2026, 11, 20, 5, 30, tzinfo=UTC)).is_due
    return due


def test_a_closure_declared_at_six_counts_at_nine(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    engine = make_engine(database_url, application_name="test")
    with transaction(engine) as connection:
        sessions.override(connection, date(2026, 11, 23), is_open=False, reason="颱風", by="test", at=EARLY)
    engine.dispose()
    assert not quotes_are_due_at(EARLY.replace(hour=9))
    assert quotes_are_due_at(EARLY.replace(day=24, hour=9))
    wiring.get_platform().engine.dispose()


def test_while_postgresql_is_away_the_known_calendar_serves(monkeypatch: pytest.MonkeyPatch, free_port: object) -> None:
    assert callable(free_port)
    monkeypatch.setenv("DATABASE_URL", f"postgresql://127.0.0.1:{free_port()}/quantlab")
    assert quotes_are_due_at(EARLY.replace(hour=9))
