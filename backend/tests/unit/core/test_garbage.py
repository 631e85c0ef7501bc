"""What a worker sets aside from garbage collections before it forks."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest
from celery import signals

from app.core import celery_app  # noqa: F401 - connects the signals


@pytest.fixture(autouse=True)
def _thaw() -> Iterator[None]:
    yield
    gc.unfreeze()


def test_what_was_imported_is_set_aside_and_what_comes_after_is_collected() -> None:
    signals.worker_before_create_process.send(sender=None)
    held = gc.get_freeze_count()
    assert held > 20_000
    few = [[] for _ in range(1_000)]
    signals.worker_before_create_process.send(sender=None)
    assert gc.get_freeze_count() <= held, "so few are no import: they shall be collected"
    many = [[] for _ in range(30_000)]
    signals.worker_before_create_process.send(sender=None)
    assert gc.get_freeze_count() >= held + len(many) + len(few) - 100
