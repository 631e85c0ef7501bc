"""Facts of a platform on which all is well, of which a test changes what it wants."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from app.market.calendar import TAIPEI, TradingCalendar
from app.market.security import BAR_VENUES, Venue
from app.ops.alerts.facts import Facts
from app.store.heartbeats import Heartbeat, Seen
from app.store.watched import Coverage

MONDAY_NIGHT = datetime(2026, 11, 23, 22, 0, tzinfo=TAIPEI)
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)

FactsMaker = Callable[..., Facts]


def alive(kind: str, age: float = 3.0, *, name: str = "one") -> Heartbeat:
    return Heartbeat(kind, name, "here", 1, LONG_AGO, LONG_AGO, age)


@pytest.fixture
def facts() -> FactsMaker:
    well = Facts(
        at=MONDAY_NIGHT,
        watching_since=None,
        host="here",
        data_dir=Path("/data"),
        installed_at=lambda: LONG_AGO,
        calendar=TradingCalendar,
        coverage=lambda venue, days: {day: Coverage(1350, 1350, said_closed=False) for day in days},
        figures_held=lambda dataset, venue, days: dict.fromkeys(days, 1000),
        lists_committed=lambda: dict.fromkeys(Venue, MONDAY_NIGHT),
        quotes_saved=lambda: MONDAY_NIGHT,
        endings=dict,
        seen=lambda: Seen((alive("beat"), alive("worker"), alive("web")), (), server_age=10_000.0),
        canaries=tuple,
        backlogs=tuple,
        breakers=dict,
        free_bytes=lambda: 100 * 2**30,
        set_aside=tuple,
        popular=("2330", "2317"),
        large_steps=tuple,
        actions_asked=lambda: dict.fromkeys(BAR_VENUES, MONDAY_NIGHT),
        wrong_addresses=tuple,
    )

    def make(**changed: Any) -> Facts:
        return replace(well, **changed)

    return make
