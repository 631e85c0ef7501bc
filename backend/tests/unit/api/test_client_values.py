"""The client's values have every field of the server's rows, and a newer server may tell more."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest
from pydantic import BaseModel
from quantlab_client import values

from app.api.actions import ActionRow
from app.api.coverage import CoverageRow
from app.api.many_bars import ManyBarRow
from app.api.securities import SecurityRow

PAIRS: list[tuple[Any, type[BaseModel]]] = [
    (values.Action, ActionRow),
    (values.Bar, ManyBarRow),
    (values.Coverage, CoverageRow),
    (values.Security, SecurityRow),
]


@pytest.mark.parametrize(("value", "row"), PAIRS, ids=lambda one: one.__name__)
def test_it_has_every_field(value: Any, row: type[BaseModel]) -> None:
    assert {one.name for one in fields(value)} == set(row.model_fields)


def test_a_newer_server_may_tell_more() -> None:
    row = {
        "dataset": "daily_bars", "venue": "TWSE", "session": "2026-11-20", "expected": 3, "held": 1, "newer_waiting": 0,
        "quarantined": 1, "explained": {"no_trade": 1}, "missing": 0, "share": 0.5,
        "recorded_at": "2026-11-20T13:00:00+00:00", "something_new": 1,
    }  # fmt: skip
    assert values.Coverage.of(row).explained == {"no_trade": 1}
