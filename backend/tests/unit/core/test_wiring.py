"""When a run makes room: not before a first unit, and only for what its own worker would begin."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from typing import Any

import pytest

from app.core import wiring
from app.core.config import Settings
from app.core.wiring import FRESH, Platform


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Collection[str]]:
    """Fresh data always wait; about which queues that was asked."""
    queues: list[Collection[str]] = []

    def waits(_: Any, *, above: int, for_longer_than: timedelta, queues: Collection[str]) -> bool:
        found.append(queues)
        return True

    found = queues
    monkeypatch.setattr(wiring.outbox, "fresher_waits", waits)
    monkeypatch.setattr(wiring, "transaction", lambda _: _Nothing())
    monkeypatch.setattr(Platform, "engine", None)
    return queues


class _Nothing:
    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        return None


def test_backfill_makes_room_after_a_unit(asked: list[Collection[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(wiring.time, "monotonic", lambda: now[0])
    platform = Platform(Settings.model_construct())
    assert platform._why_give_back(1, ["data_sync"], 100.0) is None
    assert asked == []
    now[0] += 3
    assert "made room" in str(platform._why_give_back(1, ["data_sync"], 100.0))
    assert asked == [["data_sync"]]
    assert platform._why_give_back(FRESH, ["data_sync"], 100.0) is None
